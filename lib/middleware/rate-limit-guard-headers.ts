import type { Response } from 'express';
import type { LimitName, LimitState } from '../tenant/limits';

/** The largest integer of a structured field (RFC 9651, 3.3.1). */
const MAX_INTEGER = 999_999_999_999_999;

/** The unit a limit is told in, and how many of it make one. Integers only: dollars go by the millionth. */
const UNITS: Record<LimitName, { unit: string; perOne: number }> = {
  requests: { unit: 'requests', perOne: 1 },
  tokens: { unit: 'tokens', perOne: 1 },
  dollars: { unit: 'micro-usd', perOne: 1e6 },
};

/**
 * Tells the limits by draft-ietf-httpapi-ratelimit-headers-11: `RateLimit-Policy` and `RateLimit`. Without a partition
 * key: it would tell who is counted together with whom.
 */
export function tellLimits(res: Response, guard: string, states: readonly LimitState[]): void {
  if (res.headersSent || states.length === 0) return;
  const policies = states.map(({ name, limit, windowSeconds }) => {
    const { unit, perOne } = UNITS[name];
    const quota = integer(limit * perOne);
    // Requests are the default unit.
    const told = name === 'requests' ? '' : `;qu="${unit}"`;
    return `"${guard}-${name}";q=${quota};w=${windowSeconds}${told}`;
  });
  const levels = states.map(({ name, remaining, resetMs }) => {
    const left = integer(remaining * UNITS[name].perOne);
    return `"${guard}-${name}";r=${left};t=${Math.ceil(resetMs / 1_000)}`;
  });
  setMembers(res, 'RateLimit-Policy', guard, policies);
  setMembers(res, 'RateLimit', guard, levels);
}

/** Replaces the guard's own members and keeps those of others. */
function setMembers(res: Response, field: string, guard: string, members: readonly string[]): void {
  const present = res.getHeader(field);
  const others = (Array.isArray(present) ? present : [present ?? ''])
    .flatMap((value) => String(value).split(/,\s*/))
    .filter((member) => member !== '' && !isOf(guard, member));
  res.setHeader(field, [...others, ...members].join(', '));
}

function isOf(guard: string, member: string): boolean {
  return (Object.keys(UNITS) as LimitName[]).some((name) => member.startsWith(`"${guard}-${name}"`));
}

function integer(value: number): number {
  return Math.min(MAX_INTEGER, Math.max(0, Math.floor(value)));
}
