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
  /** When the timer fires. */
  #timerAt = 0;

  constructor(onTimeout: () => void) {
    this.#onTimeout = onTimeout;
  }

  /**
   * Starts or restarts the timeout; Infinity stops it. A timer that is due earlier is kept and set again when it fires,
   * so that a restart costs one clock reading.
   */
  start(limitMs: number): void {
    if (!Number.isFinite(limitMs)) {
      this.stop();
      return;
    }
    this.#limitMs = limitMs;
    this.#since = performance.now();
    if (this.#timer !== undefined && this.#timerAt <= this.#since + limitMs) return;
    clearTimeout(this.#timer);
    this.#arm(limitMs);
  }

  /** Suspends the timeout until the next start, which is expected soon: the timer keeps running. */
  pause(): void {
    this.#limitMs = Infinity;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#limitMs = Infinity;
  }

  #arm(ms: number): void {
    const timer = startTimer(() => {
      if (this.#remainingMs() > 0) this.#armAgain();
      else afterPendingIO(() => this.#check(timer));
    }, ms);
    this.#timer = timer;
    this.#timerAt = performance.now() + ms;
  }

  #armAgain(): void {
    this.#timer = undefined;
    if (this.#limitMs !== Infinity) this.#arm(this.#remainingMs());
  }

  #check(timer: Timer): void {
    // Stopped or restarted in the meantime. A second timer beside the new one could never be stopped.
    if (this.#timer !== timer) return;
    if (this.#remainingMs() > 0) {
      this.#armAgain();
      return;
    }
    this.stop();
    this.#onTimeout();
  }

  #remainingMs(): number {
    return this.#since + this.#limitMs - performance.now();
  }
}
