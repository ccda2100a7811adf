import { AiBalancerError } from '../../errors';
import { startTimer, type Timer } from '../../util/timers';

/**
 * Ends a stream whose reader takes nothing for too long: it would hold an attempt slot for as long as it stays. It runs
 * from the start, until somebody reads. One timer serves the whole stream, so that an event costs one clock reading.
 */
export class ReaderTimeout {
  readonly #limitMs: number;
  readonly #onTimeout: (error: AiBalancerError) => void;
  /** Since when an event has waited for the reader; undefined while the upstream owes one. */
  #waitingSince: number | undefined;
  #timer: Timer | undefined;

  constructor(limitMs: number, onTimeout: (error: AiBalancerError) => void) {
    this.#limitMs = limitMs;
    this.#onTimeout = onTimeout;
    this.start();
  }

  /** An event waits for the reader. */
  start(): void {
    this.#waitingSince = performance.now();
    if (this.#timer === undefined) this.#arm(this.#limitMs);
  }

  /** The reader has asked for the next event. The timer stays and finds nothing waiting. */
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
