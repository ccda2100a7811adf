import { afterPendingIO, startTimer, type Timer } from '../util/timers';

/**
 * A limit on the time without progress. `progress()` costs one clock reading; the timer looks at it when it fires.
 *
 * When our own event loop has stalled, the timer fires late and what arrived meanwhile is still unread. So a fired
 * timer lets the loop poll I/O once more before it judges: our own stall fails nobody.
 */
export class ProgressTimeout {
  readonly #onTimeout: () => void;
  #timer: Timer | undefined;
  #limitMs = Infinity;
  #since = 0;

  constructor(onTimeout: () => void) {
    this.#onTimeout = onTimeout;
  }

  /** Starts anew with this limit; Infinity stops it. */
  start(limitMs: number): void {
    this.stop();
    if (!Number.isFinite(limitMs)) return;
    this.#limitMs = limitMs;
    this.#since = performance.now();
    this.#arm(limitMs);
  }

  /** Something arrived. */
  progress(): void {
    this.#since = performance.now();
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
    // Stopped or started anew meanwhile: a second timer beside the new one could never be stopped.
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
