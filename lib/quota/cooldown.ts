import type { LimitReading, WindowReading } from '../provider/rate-limits/rate-limit-headers';

/** Shortest and longest cooldown after a 429 that states no time, in milliseconds. */
export const FIRST_COOLDOWN_MS = 1_000;
const MAX_COOLDOWN_MS = 60_000;
/** Longest cooldown accepted from a header, in milliseconds. After that, a call tests the endpoint again. */
export const MAX_STATED_MS = 24 * 3_600_000;
/**
 * Longest cooldown while a daily limit is used up, in milliseconds. Then a call tests the endpoint, because the reset
 * header may be wrong or the limit may have been raised.
 */
const DAY_PROBE_MS = 600_000;
/**
 * A cooldown after a 429 is extended by a random share of up to this, so that waiting calls don't all return at once.
 */
const JITTER = 0.1;

/** The parts of a 429 response on which cooldown and quota depend. */
export interface Refusal {
  readonly retryAfterMs?: number | undefined;
  readonly reading?: LimitReading | undefined;
}

/** Keeps calls away from an endpoint or a quota until a given time on the clock of performance.now(). */
export class Cooldown {
  #until = 0;
  /**
   * Number of refusals since the last success; those during a cooldown are not counted. Each one doubles the next
   * cooldown.
   */
  #refusals = 0;

  /** The end of the latest cooldown; 0 before the first. It may be in the past. */
  get until(): number {
    return this.#until;
  }

  /** Extends the cooldown to `until`. Does nothing if the current one ends later. */
  extendTo(until: number): void {
    this.#until = Math.max(this.#until, until);
  }

  /**
   * Starts a cooldown after a 429: for its Retry-After, else until the reset time in its headers, else for a time that
   * doubles with each refusal. While a daily limit is used up, the cooldown lasts until its reset, but at most ten
   * minutes at a time.
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

  /** Starts a cooldown after a 429 that a peer has reported. It counts as a refusal for the doubling. */
  startAfterReport(until: number, now: number): void {
    this.#countRefusal(now);
    this.extendTo(until);
  }

  /** Records a served call: the next cooldown without a stated time is the shortest again. */
  recordSuccess(): void {
    this.#refusals = 0;
  }

  end(): void {
    this.#until = 0;
  }

  /** Counts a refusal, unless a cooldown is running: the 429s of one burst count once. */
  #countRefusal(now: number): void {
    if (this.#until <= now) this.#refusals++;
  }
}

/** Milliseconds until all used-up windows have reset; undefined if none is used up or none states its reset time. */
function usedUpResetMs(windows: readonly (WindowReading | undefined)[]): number | undefined {
  const resets = windows.flatMap((window) => (window?.remaining === 0 ? [window.resetMs ?? 0] : []));
  const longest = Math.max(0, ...resets);
  return longest > 0 ? longest : undefined;
}
