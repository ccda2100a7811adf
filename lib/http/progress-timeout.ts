import { afterPendingIO, startTimer, type Timer } from '../util/timers';

/**
 * A restartable timeout that never blames the upstream for a stall of our own event loop: a timer that fires late finds
 * the data that arrived meanwhile still unread, so the loop polls I/O once more before the timeout counts.
 */
export class ProgressTimeout {
  readonly #onTimeout: () => void;
  #timer: Timer | undefined;
  #limitMs = Infinity;
  #since = 0;

  constructor(onTimeout: () => void) {
    this.#onTimeout = onTimeout;
  }

  /** Starts or restarts it; Infinity stops it. */
  start(limitMs: number): void {
    this.stop();
    if (!Number.isFinite(limitMs)) return;
    this.#limitMs = limitMs;
    this.#since = performance.now();
    this.#arm(limitMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#limitMs = Infinity;
  }

  #arm(ms: number): void {
    const timer = startTimer(() => {
      if (this.#remainingMs() > 0) this.#arm(this.#remainingMs());
      else afterPendingIO(() => this.#check(timer));
    }, ms);
    this.#timer = timer;
  }

  #check(timer: Timer): void {
    // Stopped or restarted meanwhile: a second timer beside the new one could never be stopped.
    if (this.#timer !== timer) return;
    const remainingMs = this.#remainingMs();
    if (remainingMs > 0) {
      this.#arm(remainingMs);
      return;
    }
    this.stop();
    this.#onTimeout();
  }

  #remainingMs(): number {
    return this.#since + this.#limitMs - performance.now();
  }
}
