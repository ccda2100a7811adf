import { AiBalancerError } from '../../errors';
import { startTimer, type Timer } from '../../util/timers';

/**
 * Ends a stream whose reader takes no event for too long, because the stream holds an attempt slot. The time also runs
 * before the reader starts to read. One timer serves the whole stream, so that an event costs one clock reading.
 */
export class ReaderTimeout {
  readonly #limitMs: number;
  readonly #onTimeout: (error: AiBalancerError) => void;
  /** Since when an event has waited for the reader; undefined while the reader waits for the upstream. */
  #waitingSince: number | undefined;
  #timer: Timer | undefined;

  constructor(limitMs: number, onTimeout: (error: AiBalancerError) => void) {
    this.#limitMs = limitMs;
    this.#onTimeout = onTimeout;
    this.start();
  }

  /** Called when an event waits for the reader. */
  start(): void {
    this.#waitingSince = performance.now();
    if (this.#timer === undefined) this.#arm(this.#limitMs);
  }

  /** Called when the reader has asked for the next event. The timer keeps running and finds no event waiting. */
  pause(): void {
    this.#waitingSince = undefined;
  }

  stop(): void {
    this.pause();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(ms: number): void {
    this.#timer = startTimer(() => this.#check(), ms).unref();
  }

  #check(): void {
    this.#timer = undefined;
    if (this.#waitingSince === undefined) return;
    const leftMs = this.#waitingSince + this.#limitMs - performance.now();
    if (leftMs > 0) this.#arm(leftMs);
    else this.#onTimeout(readerStalled(this.#limitMs));
  }
}

function readerStalled(limitMs: number): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_ABORTED',
    `the stream was ended because its reader took nothing for ${limitMs.toLocaleString('en')} ms (readerStallMs)`,
    { status: 499 },
  );
}
