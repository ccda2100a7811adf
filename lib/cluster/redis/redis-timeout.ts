import { afterPendingIO, startTimer, type Timer } from '../../util/timers';

/** Redis is taken to be away when it owes an answer for so long, in milliseconds: a call waits no longer for it. */
export const PATIENCE_MS = 30;

/** A timer that is later than this has seen a stall of our own loop, after which Redis gets so long again. */
const STALL_MS = 10;
const AFTER_STALL_MS = 10;

/**
 * Watches the answers that Redis owes. Our own event loop may have stalled: a timer that fires late lets I/O be polled
 * once more before it judges.
 */
export class Patience {
  readonly #onLate: () => void;
  /** In the order in which they were asked. */
  readonly #asked = new Map<object, number>();
  #timer: Timer | undefined;

  constructor(onLate: () => void) {
    this.#onLate = onLate;
  }

  async watch<T>(answer: Promise<T>): Promise<T> {
    const question = {};
    this.#asked.set(question, performance.now());
    if (this.#timer === undefined) this.#arm(PATIENCE_MS);
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

  #arm(ms: number): void {
    const dueAt = performance.now() + ms;
    this.#timer = startTimer(() => {
      const hasStalled = performance.now() - dueAt > STALL_MS;
      if (this.#leftMs() > 0) this.#next();
      // An answer may take several turns of the loop: its script isn't loaded yet, or it comes in parts.
      else if (hasStalled) this.#arm(AFTER_STALL_MS);
      else afterPendingIO(() => this.#judge());
    }, ms).unref();
  }

  #judge(): void {
    if (this.#timer === undefined) return;
    const isLate = this.#leftMs() <= 0;
    // Those that are late already are not judged again.
    if (isLate) this.#asked.clear();
    this.#next();
    if (isLate) this.#onLate();
  }

  #next(): void {
    this.#timer = undefined;
    const left = this.#leftMs();
    if (left < Infinity) this.#arm(Math.max(1, left));
  }

  /** Until the oldest question is late; Infinity where nothing is owed. */
  #leftMs(): number {
    for (const since of this.#asked.values()) return since + PATIENCE_MS - performance.now();
    return Infinity;
  }
}
