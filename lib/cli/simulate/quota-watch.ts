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

/** With less than this part of its bucket left a quota is used up. */
const EMPTY_BELOW = 0.05;
/** While calls wait, the scarcer quota of an endpoint holds them up, however much the balancer keeps in reserve. */
const SCARCE_BELOW = 0.5;

interface Seen {
  fullest: number;
  emptyLooks: number;
  firstAtS: number | undefined;
}

/** Looks at the quotas of a run from time to time. */
export class QuotaWatch {
  readonly #seen = new Map<string, Seen & Pick<QuotaUse, 'endpoint' | 'quota'>>();
  #looks = 0;

  look(stats: BalancerStats, second: number): void {
    this.#looks++;
    const waiting = stats.queue.size > 0;
    for (const { name, requestsLeft, tokensLeft } of stats.endpoints) {
      const requests = this.#part(name, 'requests', requestsLeft);
      const tokens = this.#part(name, 'tokens', tokensLeft);
      const quota = requests < tokens ? 'requests' : 'tokens';
      const least = Math.min(requests, tokens);
      if (least < EMPTY_BELOW || (waiting && least < SCARCE_BELOW)) this.#note(name, quota, second);
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

  /** What is left, as a part of the most that was ever there. */
  #part(endpoint: string, quota: QuotaUse['quota'], left: number | undefined): number {
    if (left === undefined) return 1;
    const key = `${quota} ${endpoint}`;
    const seen = this.#seen.get(key) ?? { endpoint, quota, fullest: 0, emptyLooks: 0, firstAtS: undefined };
    this.#seen.set(key, seen);
    seen.fullest = Math.max(seen.fullest, left, 1);
    return left / seen.fullest;
  }

  #note(endpoint: string, quota: QuotaUse['quota'], second: number): void {
    const seen = this.#seen.get(`${quota} ${endpoint}`);
    if (!seen) return;
    seen.emptyLooks++;
    seen.firstAtS ??= second;
  }
}
