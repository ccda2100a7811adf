import { z } from 'zod';
import { parseJson } from '../../util/parse-json';

/** Changes are reported to Redis at most this often, in milliseconds. */
export const FLUSH_MS = 250;
/** With `onOutage: 'closed'` a call checks this often whether it may start, in milliseconds. */
export const CLOSED_RETRY_MS = 1_000;

const schema = z.object({
  /** Units per minute. */
  limit: z.number().positive(),
  /** Milliseconds of the limit. */
  depthMs: z.number().positive(),
  /** The largest depth that a header has shown, in milliseconds of the limit; 0 without one. */
  observedMs: z.number().nonnegative(),
  /** The round trip to Redis in milliseconds, rounded; 0 for a Redis nearby. */
  distanceMs: z.number().nonnegative(),
  /** Whether it is a limit per day. Its depth is the whole limit. */
  isDay: z.boolean(),
});

/** A limit as one process has it, or as all share it. */
export type LeaseTerms = Readonly<z.infer<typeof schema>>;

/** The terms of the open limits of one process, by key, which it publishes to its peers as JSON. */
const published = z.record(z.string(), schema);

/** Undefined if another version of this package, or other software, has written the text. */
export function decodeTerms(text: string): Record<string, LeaseTerms> | undefined {
  return published.safeParse(parseJson(text)).data;
}

/** Coarse, so that terms change seldom. */
const DISTANCE_STEP_MS = 50;

/** A round trip as {@link LeaseTerms} have it. */
export function distanceOf(roundTripMs: number): number {
  return Math.round(roundTripMs / DISTANCE_STEP_MS) * DISTANCE_STEP_MS;
}

/** The largest lease with a Redis nearby, in milliseconds of the limit: that of a single process. */
const MAX_LEASE_MS = 250;
/** With many processes leases are smaller, but not so small that every call needs a new one. */
const MIN_LEASE_MS = 125;
/** All leases together hold at most this share of the depth. */
const MAX_LEASED_SHARE = 0.25;
const MAX_DEPTH_MS = 60_000;
/** All processes together take ahead at most this share of a limit per day. */
const MAX_LEASED_DAY_SHARE = 0.01;

/**
 * The largest lease of each process, in milliseconds of the limit. At its fair rate a process uses it up in no less than
 * two round trips to Redis, so that the next lease is there in time.
 */
export function leaseMs({ depthMs, distanceMs, isDay }: LeaseTerms, members: number): number {
  if (isDay) return (MAX_LEASED_DAY_SHARE * depthMs) / members;
  const fair = Math.max(MIN_LEASE_MS, MAX_LEASE_MS / members, (2 * distanceMs) / members);
  return Math.min(fair, (MAX_LEASED_SHARE * depthMs) / members);
}

/**
 * The maximum of the limiter, in milliseconds of the limit. The limiter refills while leases are out, and both together
 * must not exceed the depth.
 */
export function limiterDepthMs(terms: LeaseTerms, members: number): number {
  return terms.isDay ? terms.depthMs : terms.depthMs - members * leaseMs(terms, members);
}

/** The terms that suit every process: the lowest limit, the largest depth that a header has shown, the largest distance. */
export function commonTerms(all: readonly LeaseTerms[]): LeaseTerms {
  const valuesOf = (name: Exclude<keyof LeaseTerms, 'isDay'>): number[] => all.map((terms) => terms[name]);
  const observedMs = Math.min(MAX_DEPTH_MS, Math.max(...valuesOf('observedMs')));
  const depthMs = Math.max(observedMs, Math.min(...valuesOf('depthMs')));
  const limit = Math.min(...valuesOf('limit'));
  const distanceMs = Math.max(...valuesOf('distanceMs'));
  return { limit, depthMs, observedMs, distanceMs, isDay: all.some(({ isDay }) => isDay) };
}
