import type { Response } from 'express';
import type { LimitName, LimitState } from './limits';

/** The largest integer of a structured field (RFC 9651, 3.3.1). */
const MAX_INTEGER = 999_999_999_999_999;

/**
 * The unit in which each limit is reported, and how many of it make one request, token or dollar. Dollars are reported
 * in millionths, because the fields hold integers.
 */
const UNITS: Record<LimitName, { unit: string; scale: number }> = {
  requests: { unit: 'requests', scale: 1 },
  tokens: { unit: 'tokens', scale: 1 },
  dollars: { unit: 'micro-usd', scale: 1e6 },
};

/**
 * Sets `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11). No partition key is sent, because
 * it would reveal which clients share a limit.
 */
export function setRateLimitHeaders(res: Response, guard: string, states: readonly LimitState[]): void {
  if (res.headersSent || states.length === 0) return;
  const policies = states.map(({ name, limit, windowSeconds }) => {
    const { unit, scale } = UNITS[name];
    // Requests are the draft's default unit.
    const unitParameter = name === 'requests' ? '' : `;qu="${unit}"`;
    return `"${guard}-${name}";q=${toStructuredInteger(limit * scale)};w=${windowSeconds}${unitParameter}`;
  });
  const levels = states.map(({ name, remaining, resetMs }) => {
    const left = toStructuredInteger(remaining * UNITS[name].scale);
    return `"${guard}-${name}";r=${left};t=${Math.ceil(resetMs / 1_000)}`;
  });
  replaceMembers(res, 'RateLimit-Policy', guard, policies);
  replaceMembers(res, 'RateLimit', guard, levels);
}

/** Replaces this guard's members of the field and keeps those of other guards. */
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
