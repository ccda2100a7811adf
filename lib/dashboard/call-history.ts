/** Width of a bucket of the history, in milliseconds. */
export const BUCKET_MS = 5_000;
/** Number of buckets: 15 minutes. */
export const BUCKETS = 180;

/**
 * Ratio between the bounds of neighbouring bins in which durations are counted, so that percentiles are exact to 10 %.
 */
const BIN_FACTOR = 1.1;
const LOG_BIN_FACTOR = Math.log(BIN_FACTOR);
/** Number of bins. The last one begins at about 25 minutes. */
const BINS = 150;
const P95 = 0.95;

/** The counts of consecutive buckets, oldest first. */
export interface HistorySlice {
  /** Number of the first bucket: its start time divided by the width of a bucket. */
  readonly first: number;
  /** Answered calls. */
  readonly ok: readonly number[];
  /** Failed calls, without the calls that were shed. */
  readonly failed: readonly number[];
  /** Calls that were shed. */
  readonly shed: readonly number[];
  /** The 95th percentile of the durations of answered calls in milliseconds; null without any. */
  readonly p95Ms: readonly (number | null)[];
  /** US dollars that the calls cost. */
  readonly usd: readonly number[];
}

/** A call that has ended. */
export interface EndedCall {
  readonly outcome: 'ok' | 'failed' | 'shed';
  readonly ms: number;
  readonly usd: number;
}

/**
 * Counts calls over the last 15 minutes, in buckets of 5 seconds. Its size is fixed (about 120 kB) and recording a call
 * takes only a few additions, so it always runs, even without viewers.
 */
export class CallHistory {
  /** Number of the bucket that is stored at each place of the arrays. */
  readonly #numbers = new Float64Array(BUCKETS).fill(-1);
  readonly #counts = {
    ok: new Uint32Array(BUCKETS),
    failed: new Uint32Array(BUCKETS),
    shed: new Uint32Array(BUCKETS),
  };
  readonly #usd = new Float64Array(BUCKETS);
  readonly #durations = new Uint32Array(BUCKETS * BINS);

  /** @param now On the clock of performance.now(). */
  record({ outcome, ms, usd }: EndedCall, now: number): void {
    const place = this.#placeOf(bucketAt(now));
    addTo(this.#counts[outcome], place, 1);
    addTo(this.#usd, place, usd);
    if (outcome === 'ok') addTo(this.#durations, place * BINS + binOf(ms), 1);
  }

  /** Returns the last `count` buckets, up to the current one. */
  slice(count: number, now: number): HistorySlice {
    const last = bucketAt(now);
    const first = last - Math.min(count, BUCKETS) + 1;
    const places: number[] = [];
    for (let number = first; number <= last; number++) places.push(this.#held(number));
    const read = (values: Uint32Array | Float64Array): number[] => places.map((place) => values[place] ?? 0);
    return {
      first,
      ok: read(this.#counts.ok),
      failed: read(this.#counts.failed),
      shed: read(this.#counts.shed),
      p95Ms: places.map((place) => this.#percentile([place])),
      usd: read(this.#usd),
    };
  }

  /**
   * Returns the 95th percentile of durations in the last `count` buckets, in milliseconds; null without answered calls.
   */
  p95Ms(count: number, now: number): number | null {
    const last = bucketAt(now);
    return this.#percentile(Array.from({ length: count }, (_, back) => this.#held(last - back)));
  }

  /** Returns the place at which a bucket is stored. Clears the place if it still contains an older bucket. */
  #placeOf(number: number): number {
    const place = number % BUCKETS;
    if (this.#numbers[place] === number) return place;
    this.#numbers[place] = number;
    for (const values of Object.values(this.#counts)) values[place] = 0;
    this.#usd[place] = 0;
    this.#durations.fill(0, place * BINS, (place + 1) * BINS);
    return place;
  }

  /** Returns the place of a bucket; -1 if nothing was recorded in the bucket. */
  #held(number: number): number {
    const place = number >= 0 ? number % BUCKETS : -1;
    return this.#numbers[place] === number ? place : -1;
  }

  #percentile(places: readonly number[]): number | null {
    const held = places.filter((place) => place >= 0);
    const total = held.reduce((sum, place) => sum + (this.#counts.ok[place] as number), 0);
    if (total === 0) return null;
    let seen = 0;
    for (let bin = 0; bin < BINS; bin++) {
      for (const place of held) seen += this.#durations[place * BINS + bin] as number;
      if (seen >= P95 * total) return Math.round(BIN_FACTOR ** (bin + 0.5));
    }
    return null;
  }
}

function bucketAt(now: number): number {
  return Math.floor(now / BUCKET_MS);
}

function binOf(ms: number): number {
  return ms > 1 ? Math.min(BINS - 1, Math.floor(Math.log(ms) / LOG_BIN_FACTOR)) : 0;
}

/** Adds to one value of an array of counts. */
export function addTo(values: Uint32Array | Float64Array, place: number, amount: number): void {
  values[place] = (values[place] as number) + amount;
}
