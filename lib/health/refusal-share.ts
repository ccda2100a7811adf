/** Time constant with which refusals and answers lose weight, in milliseconds. */
const MEMORY_MS = 60_000;
/** With fewer recent refusals an endpoint is not compared with the others. */
const MIN_REFUSALS = 3;
/** The others are taken for refusing at least this share, and for having answered as many calls as this. */
const MIN_SHARE = 0.01;
const MIN_OTHERS = 10;
/** Refusals stand out from this multiple of the share of the others. */
const STANDS_OUT = 2;

/** Recent calls that were refused as the caller's fault (bad_request, content_policy), and those that were answered. */
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
 * one endpoint refuses far more than the others: then its refusals are wrong.
 */
export class RefusalShare {
  readonly #own = new RefusalCounts();
  readonly #all: RefusalCounts;

  /** @param all The counts of all endpoints together, this one's included. */
  constructor(all: RefusalCounts) {
    this.#all = all;
  }

  recordAnswered(now: number): void {
    this.#own.add(0, 1, now);
    this.#all.add(0, 1, now);
  }

  /** Only for a call that another endpoint may serve as well, so that a caller can't choose whom it speaks against. */
  recordRefused(now: number): void {
    this.#own.add(1, 0, now);
    this.#all.add(1, 0, now);
  }

  /** Another endpoint has refused the call as well. */
  takeBack(now: number): void {
    this.#own.add(-1, 0, now);
    this.#all.add(-1, 0, now);
  }

  /** The share of refusals above twice that of the other endpoints, 0 to 1; 0 where it does not stand out. */
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
