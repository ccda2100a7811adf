import type { FailureRule } from '../failure/classes';
import type { FailureDetail } from '../failure/detail';
import { Cooldown, FIRST_COOLDOWN_MS } from '../quota/cooldown';
import type { Quota } from '../quota/quota';

/** This many calls in a row that the endpoint does not serve at all are a misconfiguration. */
const MAX_NOT_SERVED = 10;

/** When an endpoint takes calls again: its own cooldown, and those of its quotas. */
export class EndpointCooldown {
  readonly #own = new Cooldown();
  /** Calls in a row that ended with not_served, with none served between them. */
  #notServed = 0;

  /** The end of the cooldown of this endpoint alone; 0 before the first. It may be in the past. */
  get ownUntil(): number {
    return this.#own.until;
  }

  /** The end of the latest of its cooldowns, on the clock of performance.now(); 0 if there is none now. */
  until(quotas: readonly Quota[], now: number): number {
    let until = this.#own.until;
    for (const quota of quotas) until = Math.max(until, quota.cooldownUntil);
    return until > now ? until : 0;
  }

  /** After a failure that concerns this endpoint alone, such as a rejected key. Returns the milliseconds. */
  start(detail: FailureDetail, rule: FailureRule, now: number): number {
    const cooldownMs = Math.max(rule.cooldownMs ?? FIRST_COOLDOWN_MS, detail.retryAfterMs ?? 0);
    this.#own.extendTo(now + cooldownMs);
    return cooldownMs;
  }

  /**
   * A call ended with not_served. A single one may be due to the request; from the tenth in a row on, each starts a
   * cooldown. Returns its milliseconds; undefined if there is none.
   */
  recordNotServed(detail: FailureDetail, rule: FailureRule, now: number): number | undefined {
    this.#notServed++;
    return this.#notServed < MAX_NOT_SERVED ? undefined : this.start(detail, rule, now);
  }

  recordServed(): void {
    this.#notServed = 0;
  }

  extendTo(until: number): void {
    this.#own.extendTo(until);
  }

  end(quotas: readonly Quota[]): void {
    this.#notServed = 0;
    this.#own.end();
    for (const quota of quotas) quota.endCooldown();
  }
}
