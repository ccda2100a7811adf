import type { Response } from 'express';
import type { LimitName, LimitState } from '../tenant/limits';

/** The largest integer of a structured field (RFC 9651, 3.3.1). */
const MAX_INTEGER = 999_999_999_999_999;

/** The unit a limit is told in, and how many of it make one. Integers only: dollars go by the millionth. */
const UNITS: Record<LimitName, { unit: string; scale: number }> = {
  requests: { unit: 'requests', scale: 1 },
  tokens: { unit: 'tokens', scale: 1 },
  dollars: { unit: 'micro-usd', scale: 1e6 },
};

/**
 * Tells the limits by draft-ietf-httpapi-ratelimit-headers-11: `RateLimit-Policy` and `RateLimit`. Without a partition
 * key: it would tell who is counted together with whom.
 */
export function setRateLimitHeaders(res: Response, guard: string, states: readonly LimitState[]): void {
  if (res.headersSent || states.length === 0) return;
  const policies = states.map(({ name, limit, windowSeconds }) => {
    const { unit, scale: perOne } = UNITS[name];
    const quota = toStructuredInteger(limit * perOne);
    // Requests are the default unit.
    const unitParameter = name === 'requests' ? '' : `;qu="${unit}"`;
    return `"${guard}-${name}";q=${quota};w=${windowSeconds}${unitParameter}`;
  });
  const levels = states.map(({ name, remaining, resetMs }) => {
    const left = toStructuredInteger(remaining * UNITS[name].scale);
    return `"${guard}-${name}";r=${left};t=${Math.ceil(resetMs / 1_000)}`;
  });
  replaceMembers(res, 'RateLimit-Policy', guard, policies);
  replaceMembers(res, 'RateLimit', guard, levels);
}

/** Replaces the guard's own members and keeps those of others. */
function replaceMembers(res: Response, field: string, guard: string, members: readonly string[]): void {
  const present = res.getHeader(field);
  const others = (Array.isArray(present) ? present : [present ?? ''])
    .flatMap((value) => String(value).split(/,\s*/))
    .filter((member) => member !== '' && !isMemberOfGuard(guard, member));
  res.setHeader(field, [...others, ...members].join(', '));
}

function isMemberOfGuard(guard: string, member: string): boolean {
  return (Object.keys(UNITS) as LimitName[]).some((name) => member.startsWith(`"${guard}-${name}"`));
}

function toStructuredInteger(value: number): number {
  return Math.min(MAX_INTEGER, Math.max(0, Math.floor(value)));
}
