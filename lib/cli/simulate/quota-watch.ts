import type { BalancerStats } from '../../index';

/** How scarce one quota of one endpoint was. */
export interface QuotaShortage {
  readonly endpoint: string;
  readonly quota: 'requests' | 'tokens';
  /** Seconds into the run when it was first used up. */
  readonly firstAtS: number;
  /** 0 to 1: the part of the run in which it was. */
  readonly share: number;
}

/** With less than this part of its bucket left a quota is used up. */
const EMPTY_BELOW = 0.05;
/** While calls wait, the scarcer quota of an endpoint holds them up, however much the balancer keeps in reserve. */
const SCARCE_BELOW = 0.5;

interface QuotaSamples {
  maxLevel: number;
  exhaustedSamples: number;
  firstAtS: number | undefined;
}

/** Looks at the quotas of a run from time to time. */
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

  /** The quotas that were ever used up, the first to be so first. */
  shortages(): QuotaShortage[] {
    return [...this.#seen.values()]
      .flatMap(({ endpoint, quota, firstAtS, exhaustedSamples: emptyLooks }) =>
        firstAtS === undefined ? [] : [{ endpoint, quota, firstAtS, share: emptyLooks / this.#sampleCount }],
      )
      .sort((a, b) => a.firstAtS - b.firstAtS || b.share - a.share);
  }

  /** What is left, as a part of the most that was ever there. */
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
