/** Redis is taken to be away when it owes an answer for so long, in milliseconds: a call waits no longer for it. */
export const PATIENCE_MS = 40;

/**
 * Watches the answers that Redis owes. Our own event loop may have stalled: a timer that fires late lets I/O be polled
 * once more before it judges.
 */
export class Patience {
  readonly #onLate: () => void;
  /** In the order in which they were asked. */
  readonly #asked = new Map<object, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(onLate: () => void) {
    this.#onLate = onLate;
  }

  async watch<T>(answer: Promise<T>): Promise<T> {
    const question = {};
    this.#asked.set(question, performance.now());
    this.#timer ??= this.#arm(PATIENCE_MS);
    try {
      return await answer;
    } finally {
      this.#asked.delete(question);
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#asked.clear();
  }

  #arm(ms: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      if (this.#leftMs() > 0) this.#again();
      else setImmediate(() => this.#judge());
    }, ms).unref();
  }

  #judge(): void {
    if (this.#timer === undefined) return;
    const isLate = this.#leftMs() <= 0;
    this.#again();
    if (isLate) this.#onLate();
  }

  #again(): void {
    const left = this.#leftMs();
    this.#timer = left === Infinity ? undefined : this.#arm(left > 0 ? left : PATIENCE_MS);
  }

  /** Until the oldest question is late; Infinity where nothing is owed. */
  #leftMs(): number {
    for (const since of this.#asked.values()) return since + PATIENCE_MS - performance.now();
    return Infinity;
  }
}
