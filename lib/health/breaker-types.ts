export type BreakerState = 'closed' | 'open' | 'half-open';

/** How an attempt ended, as the breaker sees it. A neutral end says nothing about the endpoint's health. */
export type Outcome = 'success' | 'failure' | 'neutral';

/** Admits one attempt. Its end must be reported exactly once. */
export interface BreakerTicket {
  /** Whether the attempt is a probe, whose outcome decides if the breaker closes. */
  readonly isProbe: boolean;
  /**
   * Acquires the cluster's probe lock. Call it before the attempt is sent. Returns undefined if the attempt may be sent
   * at once; without a cluster that is always so. Resolves to false if it must not be sent, because another process is
   * probing or has just finished a probe. Never rejects.
   * @param probeMs The longest time that the probe may take.
   */
  acquireProbeLock(probeMs: number): Promise<boolean> | undefined;
  /**
   * Reports that the response has begun. This already closes the breaker after a probe, so that a long stream doesn't
   * keep it half-open.
   */
  started(): void;
  /**
   * Reports the end of the attempt. Only the first call counts: an attempt already reported as failed because it was
   * silent is not counted again when it ends.
   */
  end(outcome: Outcome): void;
}

/**
 * Why the breaker opened or closed: 'observed': attempts of this process; 'inconclusive': a probe ended without an
 * outcome; 'reported': a peer's health report; 'manual': a request of the application.
 */
export type BreakerCause = 'observed' | 'inconclusive' | 'reported' | 'manual';

export type BreakerTransition =
  | {
      readonly to: 'open';
      readonly cause: BreakerCause;
      readonly openMs: number;
      /** `openMs` before jitter; doubled by the next failed probe. */
      readonly stepMs: number;
    }
  | { readonly to: 'half-open' }
  | { readonly to: 'closed'; readonly cause: BreakerCause };

/**
 * The phases of a breaker. The end of an attempt counts only during the closed phase in which it began, and the end of
 * a probe only while it is the current probe. Later ends are ignored: they say nothing about the endpoint's present
 * state.
 */
export type BreakerPhase =
  | ClosedPhase
  | OpenPhase
  | HalfOpenPhase
  | { readonly kind: 'shut-down'; readonly last: BreakerState };

export interface ClosedPhase {
  readonly kind: 'closed';
  readonly since: number;
  /** How long the next opening lasts, in milliseconds: `openMs` with jitter, `stepMs` without. */
  readonly openMs: number;
  readonly stepMs: number;
  consecutiveFailures: number;
}

interface ProbedPhase {
  /** The one running probe. A probe that began while the breaker was open continues when it becomes half-open. */
  readonly probe: Probe | undefined;
  /** Earliest time at which a probe may be sent alongside a call that another endpoint serves. */
  readonly besideAt: number;
}

export interface OpenPhase extends ProbedPhase {
  readonly kind: 'open';
  readonly until: number;
  readonly stepMs: number;
}

export interface HalfOpenPhase extends ProbedPhase {
  readonly kind: 'half-open';
  readonly openMs: number;
  readonly stepMs: number;
}

export interface Probe {
  /** 'admitted' until the probe lock is requested, 'locking' until it is granted, then 'sent'. */
  stage: 'admitted' | 'locking' | 'sent';
}
