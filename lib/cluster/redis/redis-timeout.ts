import { afterPendingIO, startTimer, type Timer } from '../../util/timers';

/** Redis is taken to be away when it owes an answer for so long, in milliseconds: a call waits no longer for it. */
export const REDIS_TIMEOUT_MS = 30;

/** A timer that is later than this has seen a stall of our own loop, after which Redis gets so long again. */
const STALL_MS = 10;
const STALL_GRACE_MS = 10;

/**
 * Watches the answers that Redis owes. Our own event loop may have stalled: a timer that fires late lets I/O be polled
 * once more before it judges.
 */
export class RedisTimeout {
  readonly #onTimeout: () => void;
  /** In the order in which they were asked. */
  readonly #pending = new Map<object, number>();
  #timer: Timer | undefined;

  constructor(onTimeout: () => void) {
    this.#onTimeout = onTimeout;
  }

  async watch<T>(reply: Promise<T>): Promise<T> {
    const key = {};
    this.#pending.set(key, performance.now());
    if (this.#timer === undefined) this.#arm(REDIS_TIMEOUT_MS);
    try {
      return await reply;
    } finally {
      this.#pending.delete(key);
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pending.clear();
  }

  #arm(ms: number): void {
    const dueAt = performance.now() + ms;
    this.#timer = startTimer(() => {
      const hasStalled = performance.now() - dueAt > STALL_MS;
      if (this.#remainingMs() > 0) this.#rearm();
      // An answer may take several turns of the loop: its script isn't loaded yet, or it comes in parts.
      else if (hasStalled) this.#arm(STALL_GRACE_MS);
      else afterPendingIO(() => this.#checkOverdue());
    }, ms).unref();
  }

  #checkOverdue(): void {
    if (this.#timer === undefined) return;
    const isOverdue = this.#remainingMs() <= 0;
    // Those that are late already are not judged again.
    if (isOverdue) this.#pending.clear();
    this.#rearm();
    if (isOverdue) this.#onTimeout();
  }

  #rearm(): void {
    this.#timer = undefined;
    const remaining = this.#remainingMs();
    if (remaining < Infinity) this.#arm(Math.max(1, remaining));
  }

  /** Until the oldest question is late; Infinity where nothing is owed. */
  #remainingMs(): number {
    for (const since of this.#pending.values()) return since + REDIS_TIMEOUT_MS - performance.now();
    return Infinity;
  }
}
