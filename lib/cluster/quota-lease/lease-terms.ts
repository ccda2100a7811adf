/** Changes are reported to Redis at most this often, in milliseconds. */
export const FLUSH_MS = 250;
/** With `onOutage: 'closed'` a call checks this often whether it may start, in milliseconds. */
export const CLOSED_RETRY_MS = 1_000;

/** A limit as one process has it, or as all share it. */
export interface LeaseTerms {
  /** Units per minute. */
  readonly limit: number;
  /** Milliseconds of the limit. */
  readonly depthMs: number;
  /** The largest depth that a header has shown, in milliseconds of the limit; 0 without one. */
  readonly observedMs: number;
}

/** The largest lease, in milliseconds of the limit: that of a single process. */
const MAX_LEASE_MS = 250;
/** With many processes leases are smaller, but not so small that every call needs a new one. */
const MIN_LEASE_MS = 125;
/** All leases together hold at most this share of the depth. */
const MAX_LEASED_SHARE = 0.25;
const MAX_DEPTH_MS = 60_000;

/** The largest lease of each process, in milliseconds of the limit. */
export function leaseMs(depthMs: number, members: number): number {
  const fair = Math.max(MIN_LEASE_MS, MAX_LEASE_MS / members);
  return Math.min(fair, MAX_LEASE_MS, (MAX_LEASED_SHARE * depthMs) / members);
}

/**
 * The maximum of the limiter, in milliseconds of the limit. The limiter refills while leases are out, and both together
 * must not exceed the depth.
 */
export function limiterDepthMs(depthMs: number, members: number): number {
  return depthMs - members * leaseMs(depthMs, members);
}

/** The terms that suit every process: the lowest limit, and the largest depth that a header has shown to any of them. */
export function commonTerms(all: readonly LeaseTerms[]): LeaseTerms {
  const depthMs = Math.min(...all.map(({ depthMs }) => depthMs));
  const observedMs = Math.min(MAX_DEPTH_MS, Math.max(...all.map(({ observedMs }) => observedMs)));
  return {
    limit: Math.min(...all.map(({ limit }) => limit)),
    depthMs: Math.max(depthMs, observedMs),
    observedMs,
  };
}
