/** Time constant with which refusals and answers lose weight, in milliseconds. */
const MEMORY_MS = 60_000;
/** Recent refusals needed before an endpoint is compared with the others. */
const MIN_REFUSALS = 3;
/**
 * Minimum assumed for the other endpoints' share of refusals (MIN_SHARE), and number of answered calls added to their
 * counts as a prior (MIN_OTHERS).
 */
const MIN_SHARE = 0.01;
const MIN_OTHERS = 10;
/** An endpoint's share of refusals stands out above this multiple of the other endpoints' share. */
const STANDS_OUT = 2;

/** Decayed counts of recent calls that were refused as the caller's fault (bad_request, content_policy) or answered. */
export class RefusalCounts {
  refused = 0;
  answered = 0;
  #at = performance.now();

  add(refused: number, answered: number, now: number): void {
    this.decay(now);
    this.refused = Math.max(0, this.refused + refused);
    this.answered += answered;
  }

  decay(now: number): void {
    const keep = Math.exp(-Math.max(0, now - this.#at) / MEMORY_MS);
    this.refused *= keep;
    this.answered *= keep;
    this.#at = now;
  }
}

/**
 * Compares the share of calls that an endpoint refuses with that of the others. A refusal is the caller's fault, unless
 * one endpoint refuses far more than the others: then its refusals are probably wrong.
 */
export class RefusalShare {
  readonly #own = new RefusalCounts();
  readonly #all: RefusalCounts;

  /** @param all Counts of all endpoints together, including this one. */
  constructor(all: RefusalCounts) {
    this.#all = all;
  }

  recordAnswered(now: number): void {
    this.#own.add(0, 1, now);
    this.#all.add(0, 1, now);
  }

  /**
   * Records a refusal. Call it only for a call that another endpoint could serve as well, so that a caller can't choose
   * against which endpoint its refusals count.
   */
  recordRefused(now: number): void {
    this.#own.add(1, 0, now);
    this.#all.add(1, 0, now);
  }

  /** Takes back a refusal, because another endpoint has refused the call as well. */
  takeBack(now: number): void {
    this.#own.add(-1, 0, now);
    this.#all.add(-1, 0, now);
  }

  /**
   * By how much this endpoint's share of refusals exceeds twice that of the other endpoints, 0 to 1; 0 if it does not
   * stand out.
   */
  excess(now: number): number {
    if (this.#own.refused < MIN_REFUSALS) return 0;
    this.#own.decay(now);
    this.#all.decay(now);
    const { refused, answered } = this.#own;
    if (refused < MIN_REFUSALS) return 0;
    const refusedByOthers = Math.max(0, this.#all.refused - refused);
    const answeredByOthers = Math.max(0, this.#all.answered - answered);
    const others = Math.max(MIN_SHARE, refusedByOthers / (refusedByOthers + answeredByOthers + MIN_OTHERS));
    return Math.max(0, refused / (refused + answered) - STANDS_OUT * others);
  }
}
