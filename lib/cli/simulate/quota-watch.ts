import type { BalancerStats } from '../../index';

/** How long one quota of one endpoint was exhausted. */
export interface QuotaShortage {
  readonly endpoint: string;
  readonly quota: 'requests' | 'tokens';
  readonly per: 'minute' | 'day';
  /** Second of the run in which the quota was first exhausted. */
  readonly firstAtS: number;
  /** The share of the run in which the quota was exhausted, 0 to 1. */
  readonly share: number;
}

/** A quota counts as exhausted while less than this share of its highest level is left. */
const EMPTY_BELOW = 0.05;
/** While calls wait in the queue, the scarcer quota of an endpoint counts as exhausted already below this share. */
const SCARCE_BELOW = 0.5;

interface QuotaSamples {
  maxLevel: number;
  exhaustedSamples: number;
  firstAtS: number | undefined;
  /** Whether the quota was available again later. A limit per day does not recover within a run. */
  recovered: boolean;
  isDayUsed: boolean;
}

/** The part of an endpoint's settings that a QuotaWatch reads: the name and the limits per day. */
interface Limited {
  readonly name: string;
  readonly limits: { readonly rpd?: number; readonly tpd?: number };
}

/** Samples the quotas during a run, to find those that are exhausted. */
export class QuotaWatch {
  readonly #seen = new Map<string, QuotaSamples & Pick<QuotaShortage, 'endpoint' | 'quota'>>();
  readonly #perDay: ReadonlyMap<string, Limited['limits']>;
  #sampleCount = 0;

  constructor(endpoints: readonly Limited[] = []) {
    this.#perDay = new Map(endpoints.map(({ name, limits }) => [name, limits]));
  }

  /** @param sent Returns the number of attempts that were sent to an endpoint so far. */
  sample(stats: BalancerStats, second: number, sent: (endpoint: string) => number = () => 0): void {
    this.#sampleCount++;
    const waiting = stats.queue.size > 0;
    for (const { name, requestsLeft, tokensLeft } of stats.endpoints) {
      const requests = this.#fractionLeft(name, 'requests', requestsLeft);
      const tokens = this.#fractionLeft(name, 'tokens', tokensLeft);
      const quota = requests < tokens ? 'requests' : 'tokens';
      const least = Math.min(requests, tokens);
      if (least < EMPTY_BELOW || (waiting && least < SCARCE_BELOW))
        this.#recordExhausted(name, quota, second, sent(name));
      for (const [each, left] of [
        ['requests', requests],
        ['tokens', tokens],
      ] as const) {
        const seen = this.#seen.get(`${each} ${name}`);
        if (seen?.firstAtS !== undefined && left >= EMPTY_BELOW) seen.recovered = true;
      }
    }
  }

  /** Returns the quotas that were exhausted at some time, in the order in which they first ran out. */
  shortages(): QuotaShortage[] {
    return [...this.#seen.values()]
      .flatMap(({ endpoint, quota, firstAtS, exhaustedSamples, isDayUsed, recovered }) => {
        if (firstAtS === undefined) return [];
        const isDay =
          quota === 'requests' ? isDayUsed : !recovered && this.#perDay.get(endpoint)?.tpd !== undefined;
        const per = isDay ? ('day' as const) : ('minute' as const);
        return [{ endpoint, quota, per, firstAtS, share: exhaustedSamples / this.#sampleCount }];
      })
      .sort((a, b) => a.firstAtS - b.firstAtS || b.share - a.share);
  }

  /** Returns the remaining share of a quota, relative to the highest level seen so far. */
  #fractionLeft(endpoint: string, quota: QuotaShortage['quota'], left: number | undefined): number {
    if (left === undefined) return 1;
    const key = `${quota} ${endpoint}`;
    const samples = this.#seen.get(key) ?? {
      endpoint,
      quota,
      maxLevel: 0,
      exhaustedSamples: 0,
      firstAtS: undefined,
      recovered: false,
      isDayUsed: false,
    };
    this.#seen.set(key, samples);
    samples.maxLevel = Math.max(samples.maxLevel, left, 1);
    return left / samples.maxLevel;
  }

  #recordExhausted(endpoint: string, quota: QuotaShortage['quota'], second: number, sent: number): void {
    const seen = this.#seen.get(`${quota} ${endpoint}`);
    if (!seen) return;
    seen.exhaustedSamples++;
    if (seen.firstAtS !== undefined) return;
    seen.firstAtS = second;
    // The limit per day counts as used from 90 % on, because some sent attempts give their reservation back.
    seen.isDayUsed = sent >= 0.9 * (this.#perDay.get(endpoint)?.rpd ?? Infinity);
  }
}
