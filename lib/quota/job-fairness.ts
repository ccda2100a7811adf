/** How long a claim is valid, in milliseconds. The wait queue renews it every second. */
const CLAIM_MS = 2_000;

/**
 * Who takes units from a limit: calls of the balancer, or jobs that other code runs on the endpoint's Bottleneck
 * limiters.
 */
export type Taker = 'calls' | 'jobs';

interface Claim {
  readonly units: number;
  readonly until: number;
}

const NO_CLAIM: Claim = { units: 0, until: -Infinity };

/**
 * Decides who goes first while calls and jobs wait for the same limit: the kind that has taken fewer units since both
 * began to wait. Otherwise the kind that needs fewer units at a time would take everything, as its units fit first.
 */
export class JobFairness {
  readonly #claims: Record<Taker, Claim> = { calls: NO_CLAIM, jobs: NO_CLAIM };
  /** Units that jobs have taken minus units that calls have taken, while both waited. */
  #lead = 0;

  /** Registers that the first waiting call or job needs `units`. */
  claim(taker: Taker, units: number, now: number): void {
    this.#claims[taker] = { units, until: now + CLAIM_MS };
  }

  /** Removes the claim: no call or job of this kind waits any more. */
  endClaim(taker: Taker): void {
    this.#claims[taker] = NO_CLAIM;
  }

  recordTaken(taker: Taker, units: number, now: number): void {
    const areBothWaiting = this.#isWaiting('calls', now) && this.#isWaiting('jobs', now);
    this.#lead = areBothWaiting ? this.#lead + (taker === 'jobs' ? units : -units) : 0;
  }

  /** Units claimed by the other kind if it goes first; 0 if it is the turn of `taker`. */
  claimedBefore(taker: Taker, now: number): number {
    const other = taker === 'jobs' ? 'calls' : 'jobs';
    if (!this.#isWaiting(other, now)) return 0;
    const isOwnTurn = this.#isWaiting(taker, now) && (taker === 'jobs' ? this.#lead <= 0 : this.#lead > 0);
    return isOwnTurn ? 0 : this.#claims[other].units;
  }

  #isWaiting(taker: Taker, now: number): boolean {
    return this.#claims[taker].until > now;
  }
}
