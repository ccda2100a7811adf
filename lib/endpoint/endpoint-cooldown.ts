import type { FailureRule } from '../failure/classes';
import type { FailureDetail } from '../failure/detail';
import { Cooldown, FIRST_COOLDOWN_MS } from '../quota/cooldown';
import type { Quota } from '../quota/quota';

/** When an endpoint takes calls again: its own cooldown, and those of its quotas. */
export class EndpointCooldown {
  readonly #own = new Cooldown();

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

  extendTo(until: number): void {
    this.#own.extendTo(until);
  }

  end(quotas: readonly Quota[]): void {
    this.#own.end();
    for (const quota of quotas) quota.endCooldown();
  }
}
