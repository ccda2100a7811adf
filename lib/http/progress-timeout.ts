/**
 * A limit on the time without progress. `progress()` costs one clock reading; the timer looks at it when it fires.
 *
 * When our own event loop has stalled, the timer fires late and what arrived meanwhile is still unread. So a fired
 * timer lets the loop poll I/O once more before it judges: our own stall fails nobody.
 */
export class LimitTimer {
  readonly #onLimit: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #limitMs = Infinity;
  #since = 0;

  constructor(onLimit: () => void) {
    this.#onLimit = onLimit;
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
    const timer = setTimeout(
      () => {
        if (this.#left() > 0) this.#arm(this.#left());
        else setImmediate(() => this.#judge(timer));
      },
      Math.min(ms, 0x7fffffff),
    );
    this.#timer = timer;
  }

  #judge(timer: ReturnType<typeof setTimeout>): void {
    // Stopped or started anew meanwhile: a second timer beside the new one could never be stopped.
    if (this.#timer !== timer) return;
    const left = this.#left();
    if (left > 0) {
      this.#arm(left);
      return;
    }
    this.stop();
    this.#onLimit();
  }

  #left(): number {
    return this.#since + this.#limitMs - performance.now();
  }
}
