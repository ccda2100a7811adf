import { z } from 'zod';
import { parseJson } from '../../util/parse-json';

/** How long a process collects used and returned units before it reports them to Redis, in milliseconds. */
export const FLUSH_MS = 250;
/** How often a call checks whether it may start with `onOutage: 'closed'`, in milliseconds. */
export const CLOSED_RETRY_MS = 1_000;

const schema = z.object({
  /** Units per minute. */
  limit: z.number().positive(),
  /** Bucket depth, in milliseconds of the limit. */
  depthMs: z.number().positive(),
  /** The largest bucket depth that a header has shown, in milliseconds of the limit; 0 if none has. */
  observedMs: z.number().nonnegative(),
  /** The round trip to Redis in milliseconds, rounded; 0 for a Redis nearby. */
  distanceMs: z.number().nonnegative(),
  /** Whether the limit is per day. Its bucket depth is the whole limit. */
  isDay: z.boolean(),
});

/** The terms of a limit: one process's own, or those common to all processes. */
export type LeaseTerms = Readonly<z.infer<typeof schema>>;

/** The terms of the open limits of one process, by key, which it publishes to its peers as JSON. */
const published = z.record(z.string(), schema);

/**
 * Decodes the terms that a process has published. Undefined if another version of this package, or other software, has
 * written the text.
 */
export function decodeTerms(text: string): Record<string, LeaseTerms> | undefined {
  return published.safeParse(parseJson(text)).data;
}

/** Distances are rounded to a multiple of this, in milliseconds, so that terms rarely change. */
const DISTANCE_STEP_MS = 50;

/** Rounds a round trip to the `distanceMs` of {@link LeaseTerms}. */
export function distanceOf(roundTripMs: number): number {
  return Math.round(roundTripMs / DISTANCE_STEP_MS) * DISTANCE_STEP_MS;
}

/** The largest lease with a Redis nearby, in milliseconds of the limit. A process that is alone gets it. */
const MAX_LEASE_MS = 250;
/**
 * The smallest lease, in milliseconds of the limit, when many processes share it: with smaller ones every call would
 * need a new lease.
 */
const MIN_LEASE_MS = 125;
/** Maximum share of the bucket depth that all leases together hold. */
const MAX_LEASED_SHARE = 0.25;
const MAX_DEPTH_MS = 60_000;
/** Maximum share of a limit per day that all processes together lease. */
const MAX_LEASED_DAY_SHARE = 0.01;

/**
 * The largest lease of each process, in milliseconds of the limit. A process that uses its fair share of the limit
 * needs at least two round trips to Redis to use it up, so that the next lease arrives in time.
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

/**
 * The terms that all processes share: the lowest limit, the largest bucket depth that a header has shown, the largest
 * distance.
 */
export function commonTerms(all: readonly LeaseTerms[]): LeaseTerms {
  const valuesOf = (name: Exclude<keyof LeaseTerms, 'isDay'>): number[] => all.map((terms) => terms[name]);
  const observedMs = Math.min(MAX_DEPTH_MS, Math.max(...valuesOf('observedMs')));
  const depthMs = Math.max(observedMs, Math.min(...valuesOf('depthMs')));
  const limit = Math.min(...valuesOf('limit'));
  const distanceMs = Math.max(...valuesOf('distanceMs'));
  return { limit, depthMs, observedMs, distanceMs, isDay: all.some(({ isDay }) => isDay) };
}
