import { fingerprint } from '../call/fingerprint';
import { Cooldown, FIRST_COOLDOWN_MS, MAX_STATED_MS } from '../quota/cooldown';
import type { Quota } from '../quota/quota';
import type { FailedAttempt } from './attempt-outcome';

/** This many different calls in a row that the endpoint does not serve at all are a misconfiguration. */
const MAX_NOT_SERVED = 10;

/** The longest cooldown after a 5xx with Retry-After, in milliseconds: one answer can't take an endpoint away for longer. */
const MAX_SERVER_COOLDOWN_MS = 300_000;

export interface StartedCooldown {
  readonly scope: 'endpoint' | 'quota-group';
  readonly cooldownMs: number;
  readonly shouldWarn: boolean;
}

/** When an endpoint takes calls again: its own cooldown, and those of its quotas. */
export class EndpointCooldown {
  readonly #own = new Cooldown();
  /**
   * The different calls in a row that ended with not_served, with none served between them: their digests, or their
   * contexts. A request that is sent again and again may itself be what the endpoint does not serve.
   */
  readonly #notServed = new Set<unknown>();

  /** The end of the cooldown of this endpoint alone; 0 before the first. It may be in the past. */
  get ownUntil(): number {
    return this.#own.until;
  }

  /** The end of the latest of its cooldowns, on the clock of performance.now(); 0 if there is none now. */
  until(quotas: readonly Quota[], now: number): number {
    let until = this.#own.until;
    for (const quota of quotas) if (quota.cooldownUntil > until) until = quota.cooldownUntil;
    return until > now ? until : 0;
  }

  /** Starts the cooldown that a failure means; undefined if it means none. */
  startAfter(attempt: FailedAttempt, quotas: readonly Quota[], now: number): StartedCooldown | undefined {
    const { failure, rule, reservation } = attempt;
    const { detail, reading } = failure;
    if (rule.cooldownScope === 'quota-group') {
      reservation.recordRefusal({ retryAfterMs: detail.retryAfterMs, reading }, now);
      return { scope: 'quota-group', cooldownMs: this.until(quotas, now) - now, shouldWarn: false };
    }
    // A server that names a time is asked again only then.
    if (detail.class === 'server' && detail.retryAfterMs !== undefined && detail.retryAfterMs > 0)
      return this.#startOwn(Math.min(MAX_SERVER_COOLDOWN_MS, detail.retryAfterMs), now, false);
    const isNotServed = detail.class === 'not_served' && this.#servesNone(attempt);
    if (rule.cooldownScope !== 'endpoint' && !isNotServed) return undefined;
    const statedMs = Math.min(MAX_STATED_MS, detail.retryAfterMs ?? 0);
    const cooldownMs = Math.max(rule.cooldownMs ?? FIRST_COOLDOWN_MS, statedMs);
    return this.#startOwn(cooldownMs, now, rule.shouldWarn || isNotServed);
  }

  recordServed(): void {
    this.#notServed.clear();
  }

  extendTo(until: number): void {
    this.#own.extendTo(until);
  }

  end(quotas: readonly Quota[]): void {
    this.#notServed.clear();
    this.#own.end();
    for (const quota of quotas) quota.endCooldown();
  }

  /** Whether enough different calls were not served. One that asks for what the endpoint lacks says nothing of the others. */
  #servesNone({ call, failure }: FailedAttempt): boolean {
    if (failure.detail.lacksCapability) return false;
    if (this.#notServed.size < MAX_NOT_SERVED) this.#notServed.add(fingerprint(call) ?? call.context);
    return this.#notServed.size >= MAX_NOT_SERVED;
  }

  #startOwn(cooldownMs: number, now: number, shouldWarn: boolean): StartedCooldown {
    this.#own.extendTo(now + cooldownMs);
    return { scope: 'endpoint', cooldownMs, shouldWarn };
  }
}
