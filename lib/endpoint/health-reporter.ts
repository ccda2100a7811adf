import type { HeardNews, NewsDesk } from '../cluster/health-reports/health-reports';
import { RESTING_CLASSES, type RestingClass } from '../cluster/health-reports/message';
import { BreakerHearsay } from '../cluster/health-reports/peer-breaker-reports';
import { RestHearsay } from '../cluster/health-reports/peer-cooldown-reports';
import type { FailureClass } from '../failure/classes';
import type { Breaker, Cause } from '../health/breaker';
import type { Quota } from '../quota/quota';

/** A rest that ends at most so much later than what was told already is not told, in milliseconds. */
const LEAST_TOLD_MS = 100;

/** The endpoint, as its witness sees it. */
export interface Witnessed {
  readonly name: string;
  readonly breaker: Breaker;
  readonly quotas: readonly Quota[];
  /** The end of its own rest, on the clock of performance.now(). */
  readonly ownRestUntil: number;
  /** Rests it until then, on another's word. */
  restAsTold(failure: RestingClass, until: number): void;
}

/**
 * What one endpoint tells the other processes, and what it believes of what they tell. It tells only what its own
 * attempts have shown: what was heard is not told again, so nothing echoes.
 */
export class Witness {
  readonly #endpoint: Witnessed;
  readonly #desk: NewsDesk;
  readonly #breaker = new BreakerHearsay();
  readonly #rest = new RestHearsay();
  /** The last that is known of its breaker, on Redis's clock. */
  #knownAt = -Infinity;
  /** When the latest call that was served began, on the clock of performance.now(). */
  #soundAt = -Infinity;
  #byHandAt = -Infinity;
  #quotaRestTold = 0;

  constructor(endpoint: Witnessed, desk: NewsDesk) {
    this.#endpoint = endpoint;
    this.#desk = desk;
  }

  opened(cause: Cause, restMs: number, stepMs: number): void {
    if (cause !== 'shown') return;
    this.#breaker.opened();
    this.#know();
    this.#desk.tell({ kind: 'opened', endpoint: this.#endpoint.name, restMs, stepMs });
  }

  closed(cause: Cause): void {
    if (cause !== 'shown') return;
    this.#breaker.recovered();
    this.#know();
    this.#desk.tell({ kind: 'closed', endpoint: this.#endpoint.name });
  }

  failed(): void {
    this.#breaker.failed();
  }

  /** A call that began at `startedAt` was served. */
  served(startedAt: number): void {
    if (startedAt > this.#soundAt) this.#soundAt = startedAt;
    this.#breaker.served(startedAt);
    this.#rest.served(startedAt);
    for (const { name } of this.#endpoint.quotas) this.#desk.restsOf(name).served(startedAt);
  }

  rested(failure: FailureClass, restMs: number): void {
    this.#rest.forget();
    const resting = RESTING_CLASSES.find((known) => known === failure);
    if (resting !== undefined) {
      this.#desk.tell({ kind: 'rest', endpoint: this.#endpoint.name, class: resting, restMs });
    }
  }

  /** Its quotas rest after a 429 of ours. The answers of one burst are told as one, as far as they can be. */
  quotasRested(now: number): void {
    const { name, quotas } = this.#endpoint;
    const until = Math.max(...quotas.map(({ restsUntil }) => restsUntil));
    for (const quota of quotas) this.#desk.restsOf(quota.name).forget();
    if (until <= this.#quotaRestTold + LEAST_TOLD_MS) return;
    this.#quotaRestTold = until;
    this.#desk.tell({
      kind: 'quota',
      endpoint: name,
      quotas: quotas.map((quota) => quota.name),
      restMs: until - now,
    });
  }

  /** Its rests were ended and its breaker closed by hand: news of before is of no account. */
  freed(): void {
    this.#breaker.forget();
    this.#rest.forget();
    for (const { name } of this.#endpoint.quotas) this.#desk.restsOf(name).forget();
    this.#quotaRestTold = 0;
    this.#byHandAt = performance.now();
    this.#know();
  }

  /** Takes news of this endpoint over, as far as it is believed. */
  hear(news: HeardNews): void {
    if (this.isOld(news)) return;
    const { item, leftMs } = news;
    if (item.kind === 'opened') this.#hearOpened(news, leftMs, item.stepMs);
    else if (item.kind === 'closed') this.#hearClosed(news);
    else if (item.kind === 'rest') this.#hearRest(news, item.class);
  }

  /** Whether the endpoint has served a call since, or was freed by hand since. */
  isOld({ localAt, item }: HeardNews): boolean {
    if (localAt <= this.#byHandAt) return true;
    return item.kind !== 'closed' && localAt < this.#soundAt;
  }

  #hearOpened({ from, at }: HeardNews, leftMs: number, stepMs: number): void {
    if (at <= this.#knownAt || !this.#breaker.believesOpening(from)) return;
    if (!this.#endpoint.breaker.openAsTold(leftMs, stepMs)) return;
    this.#knownAt = at;
    this.#breaker.openingTaken(from);
  }

  #hearClosed({ from, at }: HeardNews): void {
    if (at <= this.#knownAt || !this.#breaker.believesRecovery(from)) return;
    if (!this.#endpoint.breaker.closeAsTold()) return;
    this.#knownAt = at;
    this.#breaker.recoveryTaken(from);
  }

  #hearRest({ from, leftMs }: HeardNews, failure: RestingClass): void {
    const until = this.#rest.take(from, leftMs, this.#endpoint.ownRestUntil);
    if (until !== undefined) this.#endpoint.restAsTold(failure, until);
  }

  #know(): void {
    this.#knownAt = this.#desk.now() ?? this.#knownAt;
  }
}
