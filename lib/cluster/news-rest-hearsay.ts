import { Distrust } from './news-trust';

/**
 * The longest that another's word alone keeps calls away, in milliseconds; as long as a 429 without a Retry-After may
 * rest. Then a call of our own finds out: a process with a new key is not benched by those that still have the old one.
 */
export const MAX_TOLD_REST_MS = 60_000;
/** So many rests in a row are taken on the word of others. Then a call of our own finds out. */
const MAX_IN_A_ROW = 3;
/** A rest that ends at most so much later tells nothing new, in milliseconds. */
const LEAST_NEWS_MS = 50;

interface ToldRest {
  readonly from: string;
  readonly at: number;
  /** When it ends by what was told, beyond what we took of it. */
  readonly until: number;
}

/** What one process believes of what others tell about the rests of one endpoint, or one quota. */
export class RestHearsay {
  readonly #distrust = new Distrust();
  #told: ToldRest | undefined;
  #inARow = 0;

  /**
   * The end of the rest that is taken over, on the clock of performance.now(); undefined where none is.
   * @param restsUntil The end of the rest that is known already.
   */
  take(from: string, restMs: number, restsUntil: number): number | undefined {
    const now = performance.now();
    const until = now + restMs;
    if (this.#distrust.has(from) || until <= restsUntil + LEAST_NEWS_MS) return undefined;
    const taken = now + Math.min(restMs, MAX_TOLD_REST_MS);
    if (taken <= restsUntil + LEAST_NEWS_MS) return undefined;
    this.#told = { from, at: now, until };
    // Several answers of one burst are one rest.
    if (restsUntil <= now) this.#inARow++;
    return this.#inARow > MAX_IN_A_ROW ? undefined : taken;
  }

  /** A call of our own was refused. */
  refused(): void {
    this.#told = undefined;
    this.#inARow = 0;
  }

  /** A call of our own that began at `startedAt` was served: while another said that it rests, that one was wrong. */
  served(startedAt: number): void {
    const told = this.#told;
    if (!told) return;
    if (startedAt > told.at && startedAt < told.until) this.#distrust.add(told.from);
    else if (startedAt <= told.at) return;
    this.refused();
  }

  /** The rest was ended by hand. */
  forget(): void {
    this.refused();
  }
}
