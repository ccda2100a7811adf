/** A claim counts for this long after it was made last, in milliseconds. The wait queue repeats it every second. */
const CLAIM_MS = 2_000;

/** Who takes from a limit: calls of the balancer, or jobs of other code. */
export type Taker = 'calls' | 'jobs';

interface Claim {
  readonly units: number;
  readonly until: number;
}

const NO_CLAIM: Claim = { units: 0, until: -Infinity };

/**
 * Who goes first while calls and jobs wait for the same limit: those that have taken fewer units since both began to wait.
 * Otherwise the side with the smaller units would take everything, because they fit first.
 */
export class JobFairness {
  readonly #claims: Record<Taker, Claim> = { calls: NO_CLAIM, jobs: NO_CLAIM };
  /** Units that jobs have taken more than calls while both waited. */
  #lead = 0;

  /** The first of those that wait needs these units. */
  claim(taker: Taker, units: number, now: number): void {
    this.#claims[taker] = { units, until: now + CLAIM_MS };
  }

  /** None waits any more. */
  endClaim(taker: Taker): void {
    this.#claims[taker] = NO_CLAIM;
  }

  recordTaken(taker: Taker, units: number, now: number): void {
    const areBothWaiting = this.#isWaiting('calls', now) && this.#isWaiting('jobs', now);
    this.#lead = areBothWaiting ? this.#lead + (taker === 'jobs' ? units : -units) : 0;
  }

  /** The units that the other side takes first; 0 if it is this side's turn. */
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
