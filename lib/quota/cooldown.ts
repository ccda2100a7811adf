import type { LimitReading, WindowReading } from '../provider/rate-limits/rate-limit-headers';

/** The first cooldown after a failure that names no time, in milliseconds, and the longest. */
export const FIRST_COOLDOWN_MS = 1_000;
const MAX_COOLDOWN_MS = 60_000;
/** A longer time in a header is not believed: after it, one call finds out. In milliseconds. */
export const MAX_STATED_MS = 24 * 3_600_000;
/** A used-up day is probed this often, in milliseconds: its reset header may be wrong, or the limit may be raised. */
const DAY_PROBE_MS = 600_000;
/** A cooldown after a 429 is longer by up to this share, so that the waiting calls don't all come back at once. */
const JITTER = 0.1;

/** A 429, as far as a cooldown and a quota depend on it. */
export interface Refusal {
  readonly retryAfterMs?: number | undefined;
  readonly reading?: LimitReading | undefined;
}

/** Keeps calls away from an endpoint or a quota until a given time on the clock of performance.now(). */
export class Cooldown {
  #until = 0;
  /** Refusals in a row that named no time, for the doubling. */
  #refusals = 0;

  /** The end of the latest cooldown; 0 before the first. It may be in the past. */
  get until(): number {
    return this.#until;
  }

  /** A cooldown that ends earlier than the current one changes nothing. */
  extendTo(until: number): void {
    this.#until = Math.max(this.#until, until);
  }

  /**
   * After a 429: for its Retry-After, else until its reset header, else for a time that doubles. A used-up day lasts until
   * its reset, with a call every ten minutes that finds out.
   */
  startAfterRefusal({ retryAfterMs, reading }: Refusal, now: number): void {
    this.#countRefusal(now);
    const backoffMs = Math.min(MAX_COOLDOWN_MS, FIRST_COOLDOWN_MS * 2 ** Math.min(10, this.#refusals - 1));
    const { requests, tokens, inputTokens, outputTokens, requestsPerDay, tokensPerDay } = reading ?? {};
    const statedMs = retryAfterMs ?? usedUpResetMs([requests, tokens, inputTokens, outputTokens]);
    const dayMs = Math.min(DAY_PROBE_MS, usedUpResetMs([requestsPerDay, tokensPerDay]) ?? 0);
    const cooldownMs = Math.min(MAX_STATED_MS, Math.max(dayMs, statedMs ?? (dayMs > 0 ? 0 : backoffMs)));
    this.extendTo(now + cooldownMs * (1 + JITTER * Math.random()));
  }

  /** After a 429 that a peer reports. The next one of our own that names no time doubles from here. */
  startAfterReport(until: number, now: number): void {
    this.#countRefusal(now);
    this.extendTo(until);
  }

  /** A call was served: the next cooldown starts from the first step again. */
  recordSuccess(): void {
    this.#refusals = 0;
  }

  end(): void {
    this.#until = 0;
  }

  /** Several answers of one burst are one refusal: only one after a cooldown doubles the next. */
  #countRefusal(now: number): void {
    if (this.#until <= now) this.#refusals++;
  }
}

/** Milliseconds until the windows that are used up reset; undefined if the headers name none. */
function usedUpResetMs(windows: readonly (WindowReading | undefined)[]): number | undefined {
  const resets = windows.flatMap((window) => (window?.remaining === 0 ? [window.resetMs ?? 0] : []));
  const longest = Math.max(0, ...resets);
  return longest > 0 ? longest : undefined;
}
