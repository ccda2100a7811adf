/** Width of a bucket of the history. */
export const BUCKET_MS = 5_000;
/** The history covers the last 15 minutes. */
export const BUCKETS = 180;

/** Durations are counted in bins whose bounds grow by this factor, so a percentile is exact to 10 %. */
const BIN_FACTOR = 1.1;
const LOG_BIN_FACTOR = Math.log(BIN_FACTOR);
/** The last bin begins at about 25 minutes. */
const BINS = 150;
const P95 = 0.95;

/** What happened in a number of consecutive buckets, oldest first. */
export interface HistorySlice {
  /** Number of the first bucket: its start divided by the width of a bucket. */
  readonly first: number;
  /** Answered calls. */
  readonly ok: readonly number[];
  /** Failed calls, without the calls that were shed. */
  readonly failed: readonly number[];
  /** Calls that were shed. */
  readonly shed: readonly number[];
  /** The 95th percentile of the durations of answered calls in milliseconds; null without any. */
  readonly p95Ms: readonly (number | null)[];
  /** US dollars. */
  readonly usd: readonly number[];
}

/** How one call ended. */
export interface EndedCall {
  readonly outcome: 'ok' | 'failed' | 'shed';
  readonly ms: number;
  readonly usd: number;
}

/**
 * Counts of calls over the last 15 minutes, in buckets of 5 seconds. Its size is fixed (about 120 kB), and a call costs
 * two increments, so that it is kept whether or not anyone looks.
 */
export class CallHistory {
  /** The number of the bucket that each place holds. */
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

  /** The last `count` buckets, up to the one that is filled now. */
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

  /** The 95th percentile over the last `count` buckets together; null without an answered call. */
  p95Ms(count: number, now: number): number | null {
    const last = bucketAt(now);
    return this.#percentile(Array.from({ length: count }, (_, back) => this.#held(last - back)));
  }

  /** The place of a bucket, emptied if it still holds an older one. */
  #placeOf(number: number): number {
    const place = number % BUCKETS;
    if (this.#numbers[place] === number) return place;
    this.#numbers[place] = number;
    for (const values of Object.values(this.#counts)) values[place] = 0;
    this.#usd[place] = 0;
    this.#durations.fill(0, place * BINS, (place + 1) * BINS);
    return place;
  }

  /** The place of a bucket; -1 if nothing was recorded in it. */
  #held(number: number): number {
    const place = number >= 0 ? number % BUCKETS : -1;
    return this.#numbers[place] === number ? place : -1;
  }

  #percentile(places: readonly number[]): number | null {
    const held = places.filter((place) => place >= 0);
    const total = held.reduce((sum, place) => sum + (this.#counts.ok[place] ?? 0), 0);
    if (total === 0) return null;
    let seen = 0;
    for (let bin = 0; bin < BINS; bin++) {
      for (const place of held) seen += this.#durations[place * BINS + bin] ?? 0;
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
  values[place] = (values[place] ?? 0) + amount;
}
