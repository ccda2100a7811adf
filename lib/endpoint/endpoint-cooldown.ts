import { fingerprint } from '../call/fingerprint';
import { Cooldown, FIRST_COOLDOWN_MS, MAX_STATED_MS } from '../quota/cooldown';
import type { Quota } from '../quota/quota';
import type { FailedAttempt } from './attempt-outcome';

/** Consecutive different calls with not_served after which a misconfiguration is assumed. */
const MAX_NOT_SERVED = 10;

/**
 * Longest cooldown after a 5xx with Retry-After, in milliseconds, so that one response can't make an endpoint
 * unavailable for longer.
 */
const MAX_SERVER_COOLDOWN_MS = 300_000;

export interface StartedCooldown {
  readonly scope: 'endpoint' | 'quota-group';
  readonly cooldownMs: number;
  readonly shouldWarn: boolean;
}

/** Determines when an endpoint takes calls again, from its own cooldown and those of its quotas. */
export class EndpointCooldown {
  readonly #own = new Cooldown();
  /**
   * The different calls that ended with not_served since the last served call, as fingerprints or, if a call has none,
   * as contexts. Repetitions of one request count once, since the endpoint may lack only what that request needs.
   */
  readonly #notServed = new Set<unknown>();

  /**
   * End of the endpoint's own cooldown, on the clock of performance.now(); 0 before the first. It may be in the past.
   */
  get ownUntil(): number {
    return this.#own.until;
  }

  /**
   * End of the latest cooldown of the endpoint and its quotas, on the clock of performance.now(); 0 if none is running.
   */
  until(quotas: readonly Quota[], now: number): number {
    let until = this.#own.until;
    for (const quota of quotas) if (quota.cooldownUntil > until) until = quota.cooldownUntil;
    return until > now ? until : 0;
  }

  /** Starts the cooldown that a failure calls for; returns undefined if it calls for none. */
  startAfter(attempt: FailedAttempt, quotas: readonly Quota[], now: number): StartedCooldown | undefined {
    const { failure, rule, reservation } = attempt;
    const { detail, reading } = failure;
    if (rule.cooldownScope === 'quota-group') {
      reservation.recordRefusal({ retryAfterMs: detail.retryAfterMs, reading }, now);
      return { scope: 'quota-group', cooldownMs: this.until(quotas, now) - now, shouldWarn: false };
    }
    // A server that states a time is not called again before it.
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

  /**
   * Whether enough different calls were not served to assume a misconfiguration. A call for a capability that the
   * endpoint lacks says nothing about other calls.
   */
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
