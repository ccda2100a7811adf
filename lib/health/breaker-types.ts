export type BreakerState = 'closed' | 'open' | 'half-open';

/** How an attempt ended, as the breaker sees it. A neutral end says nothing about the endpoint's health. */
export type Outcome = 'success' | 'failure' | 'neutral';

/** Lets one attempt through. Its end must be reported exactly once. */
export interface BreakerTicket {
  /** Whether the attempt decides if the breaker closes. */
  readonly isProbe: boolean;
  /**
   * Asks for the cluster's probe lock. Call it before the attempt is sent. Undefined if the attempt may be sent at once,
   * as always without a cluster. Resolves to false if it must not be sent: another process is probing, or has just found
   * out. Never rejects.
   * @param probeMs The longest time that the probe may take.
   */
  acquireProbeLock(probeMs: number): Promise<boolean> | undefined;
  /** The answer has begun. It decides a probe, so that a long stream doesn't keep the breaker half-open. */
  started(): void;
  /** Only the first call counts: an attempt that failed by its silence is not counted again when it ends. */
  end(outcome: Outcome): void;
}

/**
 * Why the breaker opened or closed: 'observed' by attempts of this process; 'inconclusive' because a probe ended without
 * an outcome; 'reported' by a peer; 'manual' by the app.
 */
export type BreakerCause = 'observed' | 'inconclusive' | 'reported' | 'manual';

export type BreakerTransition =
  | {
      readonly to: 'open';
      readonly cause: BreakerCause;
      readonly openMs: number;
      /** `openMs` before jitter: the next failed probe doubles it. */
      readonly stepMs: number;
    }
  | { readonly to: 'half-open' }
  | { readonly to: 'closed'; readonly cause: BreakerCause };

/**
 * An attempt belongs to the closed phase during which it began, a probe to the breaker for as long as it is the current
 * one: otherwise its end says nothing about the endpoint any more.
 */
export type BreakerPhase =
  | ClosedPhase
  | OpenPhase
  | HalfOpenPhase
  | { readonly kind: 'shut-down'; readonly last: BreakerState };

export interface ClosedPhase {
  readonly kind: 'closed';
  readonly since: number;
  /** How long the next opening lasts, with and without jitter. */
  readonly openMs: number;
  readonly stepMs: number;
  consecutiveFailures: number;
}

interface ProbedPhase {
  /** The one probe under way. One that began while the breaker was open goes on when it half-opens. */
  readonly probe: Probe | undefined;
  /** No probe goes out beside a served call before this time. */
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
  /** 'admitted' until it asks for the probe lock, 'locking' until it has it. */
  stage: 'admitted' | 'locking' | 'sent';
}
