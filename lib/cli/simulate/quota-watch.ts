import type { BalancerStats } from '../../index';

/** How long one quota of one endpoint was exhausted. */
export interface QuotaShortage {
  readonly endpoint: string;
  readonly quota: 'requests' | 'tokens';
  /** Second of the run in which it was first exhausted. */
  readonly firstAtS: number;
  /** The share of the run in which it was exhausted, 0 to 1. */
  readonly share: number;
}

/** A quota with less than this share of its bucket left is exhausted. */
const EMPTY_BELOW = 0.05;
/** While calls wait in the queue, the scarcer quota of an endpoint counts as exhausted below this share. */
const SCARCE_BELOW = 0.5;

interface QuotaSamples {
  maxLevel: number;
  exhaustedSamples: number;
  firstAtS: number | undefined;
}

/** Samples the quotas of a run. */
export class QuotaWatch {
  readonly #seen = new Map<string, QuotaSamples & Pick<QuotaShortage, 'endpoint' | 'quota'>>();
  #sampleCount = 0;

  sample(stats: BalancerStats, second: number): void {
    this.#sampleCount++;
    const waiting = stats.queue.size > 0;
    for (const { name, requestsLeft, tokensLeft } of stats.endpoints) {
      const requests = this.#fractionLeft(name, 'requests', requestsLeft);
      const tokens = this.#fractionLeft(name, 'tokens', tokensLeft);
      const quota = requests < tokens ? 'requests' : 'tokens';
      const least = Math.min(requests, tokens);
      if (least < EMPTY_BELOW || (waiting && least < SCARCE_BELOW))
        this.#recordExhausted(name, quota, second);
    }
  }

  /** The quotas that were exhausted at some time, in the order in which they first were. */
  shortages(): QuotaShortage[] {
    return [...this.#seen.values()]
      .flatMap(({ endpoint, quota, firstAtS, exhaustedSamples }) =>
        firstAtS === undefined
          ? []
          : [{ endpoint, quota, firstAtS, share: exhaustedSamples / this.#sampleCount }],
      )
      .sort((a, b) => a.firstAtS - b.firstAtS || b.share - a.share);
  }

  /** What is left, as a share of the highest level seen so far. */
  #fractionLeft(endpoint: string, quota: QuotaShortage['quota'], left: number | undefined): number {
    if (left === undefined) return 1;
    const key = `${quota} ${endpoint}`;
    const samples = this.#seen.get(key) ?? {
      endpoint,
      quota,
      maxLevel: 0,
      exhaustedSamples: 0,
      firstAtS: undefined,
    };
    this.#seen.set(key, samples);
    samples.maxLevel = Math.max(samples.maxLevel, left, 1);
    return left / samples.maxLevel;
  }

  #recordExhausted(endpoint: string, quota: QuotaShortage['quota'], second: number): void {
    const seen = this.#seen.get(`${quota} ${endpoint}`);
    if (!seen) return;
    seen.exhaustedSamples++;
    seen.firstAtS ??= second;
  }
}
