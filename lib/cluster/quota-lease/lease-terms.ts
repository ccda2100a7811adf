/** A limit as a process has it, and as the cluster holds it. */
export interface LeaseTerms {
  /** Units a minute. */
  readonly limit: number;
  /** The depth, in milliseconds of the limit. */
  readonly depthMs: number;
  /** The largest depth that a header has shown, in milliseconds of the limit; 0 without one. */
  readonly shownMs: number;
}

/** What a lease holds at most, in milliseconds of the limit, where one process is alone. */
const LEASE_MS = 250;
/** Among many each lease is smaller, but not so small that every call needs one. */
const LEAST_LEASE_MS = 125;
/** All leases together hold at most this share of the depth. */
const MOST_SHARE = 0.25;

/** What a lease holds at most, in milliseconds of the limit. */
export function leaseMs(depthMs: number, members: number): number {
  const fair = Math.max(LEAST_LEASE_MS, LEASE_MS / members);
  return Math.min(fair, LEASE_MS, (MOST_SHARE * depthMs) / members);
}

/**
 * The most that the ledger holds, in milliseconds of the limit: what is out in leases comes on top of a ledger that
 * has refilled meanwhile, and both together must not be more than the depth.
 */
export function ledgerDepthMs(depthMs: number, members: number): number {
  return depthMs - members * leaseMs(depthMs, members);
}

/** Nothing that a minute allows holds more than a minute. */
const MOST_DEPTH_MS = 60_000;

/**
 * Terms that every process can bear: where two deploys disagree the lower counts while both live. What a header has
 * shown one of them is known to all.
 */
export function commonTerms(all: readonly LeaseTerms[]): LeaseTerms {
  const depthMs = Math.min(...all.map(({ depthMs }) => depthMs));
  const shownMs = Math.min(MOST_DEPTH_MS, Math.max(...all.map(({ shownMs }) => shownMs)));
  return { limit: Math.min(...all.map(({ limit }) => limit)), depthMs: Math.max(depthMs, shownMs), shownMs };
}
