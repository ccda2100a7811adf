import type { UpstreamFailure } from '../http/exchange';
import type { LimitReading } from '../provider/rate-limits/rate-limit-headers';
import type { Reservation } from './reservation';

/** First rest after a 429 without Retry-After, in milliseconds, and the longest. */
export const FIRST_COOLDOWN_MS = 1_000;
const MAX_COOLDOWN_MS = 60_000;
/** A Retry-After is stretched by up to this share, so that many waiters don't come back at once. */
const COOLDOWN_JITTER = 0.1;

/** Rests the quotas of an attempt that got a 429: Retry-After, else the reset header, else ever longer. */
export function coolDownQuotas(reservation: Reservation, failure: UpstreamFailure, now: number): void {
  const { detail, reading } = failure;
  const statedMs = detail.retryAfterMs ?? resetMs(reading);
  const { quotas, snapshots: marks, cost: charge } = reservation;
  for (const [index, quota] of quotas.entries()) {
    const mark = marks[index];
    // The answers of one burst are one refusal: only one after a rest makes the next rest longer.
    if (quota.cooldownUntil <= now) quota.refusals++;
    const backoffMs = Math.min(MAX_COOLDOWN_MS, FIRST_COOLDOWN_MS * 2 ** Math.min(10, quota.refusals - 1));
    const cooldownMs = (statedMs ?? backoffMs) * (1 + COOLDOWN_JITTER * Math.random());
    // Several answers of one burst: the latest end counts, an earlier one never shortens it.
    quota.cooldownUntil = Math.max(quota.cooldownUntil, now + cooldownMs);
    quota.recordRefusal(reading, now, mark && { snapshot: mark, cost: charge });
  }
}

/** The reset of the window that is used up, where the headers tell. */
function resetMs(reading: LimitReading | undefined): number | undefined {
  const windows = [reading?.requests, reading?.tokens, reading?.inputTokens, reading?.outputTokens];
  const resets = windows.flatMap((window) => (window?.remaining === 0 ? [window.resetMs ?? 0] : []));
  const longest = Math.max(0, ...resets);
  return longest > 0 ? longest : undefined;
}
