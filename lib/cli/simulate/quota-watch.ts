import type { BalancerStats } from '../../index';

/** How scarce one quota of one endpoint was. */
export interface QuotaUse {
  readonly endpoint: string;
  readonly quota: 'requests' | 'tokens';
  /** Seconds into the run when it was first used up. */
  readonly firstAtS: number;
  /** 0 to 1: the part of the run in which it was. */
  readonly share: number;
}

/** Less than this part of a bucket is no room worth speaking of. */
const EMPTY_BELOW = 0.05;

interface Seen {
  fullest: number;
  emptyLooks: number;
  firstAtS: number | undefined;
}

/** Looks at the quotas of a run from time to time. */
export class QuotaWatch {
  readonly #seen = new Map<string, Seen & Pick<QuotaUse, 'endpoint' | 'quota'>>();
  readonly #typical: { readonly requests: number; readonly tokens: number };
  #looks = 0;

  /** @param callTokens what a typical call takes: with less than that left there is no room */
  constructor(callTokens: number) {
    this.#typical = { requests: 1, tokens: callTokens };
  }

  look(stats: BalancerStats, second: number): void {
    this.#looks++;
    for (const { name, requestsLeft, tokensLeft } of stats.endpoints) {
      this.#note(name, 'requests', requestsLeft, second);
      this.#note(name, 'tokens', tokensLeft, second);
    }
  }

  /** The quotas that were ever used up, the first to be so first. */
  used(): QuotaUse[] {
    return [...this.#seen.values()]
      .flatMap(({ endpoint, quota, firstAtS, emptyLooks }) =>
        firstAtS === undefined ? [] : [{ endpoint, quota, firstAtS, share: emptyLooks / this.#looks }],
      )
      .sort((a, b) => a.firstAtS - b.firstAtS || b.share - a.share);
  }

  #note(endpoint: string, quota: QuotaUse['quota'], left: number | undefined, second: number): void {
    if (left === undefined) return;
    const key = `${quota} ${endpoint}`;
    const seen = this.#seen.get(key) ?? { endpoint, quota, fullest: 0, emptyLooks: 0, firstAtS: undefined };
    this.#seen.set(key, seen);
    seen.fullest = Math.max(seen.fullest, left);
    if (left >= Math.max(EMPTY_BELOW * seen.fullest, Math.min(this.#typical[quota], seen.fullest / 2)))
      return;
    seen.emptyLooks++;
    seen.firstAtS ??= second;
  }
}
