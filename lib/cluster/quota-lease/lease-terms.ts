/** A limit as a process has it, and as the cluster holds it. */
export interface LeaseTerms {
  /** Units a minute. */
  readonly limit: number;
  /** The depth, in milliseconds of the limit. */
  readonly depthMs: number;
  /** The largest depth that a header has shown, in milliseconds of the limit; 0 without one. */
  readonly observedMs: number;
}

/** What a lease holds at most, in milliseconds of the limit, where one process is alone. */
const MAX_LEASE_MS = 250;
/** Among many each lease is smaller, but not so small that every call needs one. */
const MIN_LEASE_MS = 125;
/** All leases together hold at most this share of the depth. */
const MAX_LEASED_SHARE = 0.25;

/** What a lease holds at most, in milliseconds of the limit. */
export function leaseMs(depthMs: number, members: number): number {
  const fair = Math.max(MIN_LEASE_MS, MAX_LEASE_MS / members);
  return Math.min(fair, MAX_LEASE_MS, (MAX_LEASED_SHARE * depthMs) / members);
}

/**
 * The most that the ledger holds, in milliseconds of the limit: what is out in leases comes on top of a ledger that
 * has refilled meanwhile, and both together must not be more than the depth.
 */
export function limiterDepthMs(depthMs: number, members: number): number {
  return depthMs - members * leaseMs(depthMs, members);
}

/** Nothing that a minute allows holds more than a minute. */
const MAX_DEPTH_MS = 60_000;

/**
 * Terms that every process can bear: where two deploys disagree the lower counts while both live. What a header has
 * shown one of them is known to all.
 */
export function commonTerms(all: readonly LeaseTerms[]): LeaseTerms {
  const depthMs = Math.min(...all.map(({ depthMs }) => depthMs));
  const observedMs = Math.min(MAX_DEPTH_MS, Math.max(...all.map(({ observedMs }) => observedMs)));
  return {
    limit: Math.min(...all.map(({ limit }) => limit)),
    depthMs: Math.max(depthMs, observedMs),
    observedMs,
  };
}
