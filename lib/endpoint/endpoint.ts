import type { EndpointBudgets } from '../budget/endpoint-budgets';
import type { ChatBody } from '../call/body';
import type { Call } from '../call/call';
import type { HealthReports } from '../cluster/health-reports/health-reports';
import type { FailureDetail } from '../failure/detail';
import type { Breaker } from '../health/breaker';
import type { BreakerTransition } from '../health/breaker-types';
import type { CallSize, LatencyModel, LatencyPrediction } from '../health/latency-model';
import type { BreakerOptions } from '../health/options';
import type { RefusalCounts } from '../health/refusal-share';
import type { SiblingSlowness } from '../health/sibling-slowness';
import type { ExchangeParts } from '../http/exchange';
import type { Dialect } from '../provider/dialect';
import type { Cost, CostEstimate } from '../quota/cost';
import type { ExceededLimit } from '../quota/limits';
import type { Quota } from '../quota/quota';
import { LimiterSet } from '../quota/quota-limiter';
import { boundOutput, exceededBy, greatestUsedShare, type OnQuotaCorrected } from '../quota/quotas';
import { Reservation } from '../quota/reservation';
import { TokensCharged } from '../quota/tokens-charged';
import type { AttemptOutcome, FailedAttempt } from './attempt-outcome';
import { AttemptSlot } from './attempt-slot';
import { EndpointCooldown } from './endpoint-cooldown';
import { EndpointHealth } from './endpoint-health';
import type { EndpointSettings } from './endpoint-settings';
import { HealthReporter } from './health-reporter';
import { type EndpointState, UnavailableReason } from './unavailable-reason';

/** Callbacks for what happens to an endpoint. */
export interface EndpointListeners {
  onState(endpoint: Endpoint, state: EndpointState): void;
  /** @param shouldWarn Whether somebody has to fix the cause, for example because the key was rejected. */
  onCooldown(endpoint: Endpoint, detail: FailureDetail, cooldownMs: number, shouldWarn: boolean): void;
  /** Returns the function to call when headers have corrected the quotas; undefined if nobody listens. */
  quotaListener?(endpoint: Endpoint): OnQuotaCorrected | undefined;
  /** Called when features of a call were left out of the request because the provider does not support them. */
  onDropped?(name: string, features: readonly string[]): void;
  /** Called when a waiting call may be able to start: a slot, quota or the breaker has become available. */
  onCapacity(): void;
}

export interface EndpointParts extends ExchangeParts {
  readonly settings: EndpointSettings;
  readonly breaker: BreakerOptions;
  /** The endpoint's own quota, then that of its group if it has one. */
  readonly quotas: readonly Quota[];
  /** The endpoint's budgets in US dollars; undefined if it has none. */
  readonly budgets?: EndpointBudgets | undefined;
  readonly listeners: EndpointListeners;
  /** Refusal counts of all endpoints together. Read only by the constructor. */
  readonly refusals: RefusalCounts;
  /** How slow the endpoints of the same model at the same provider are. Read only by the constructor. */
  readonly siblings: SiblingSlowness;
  /** Health reports of the cluster, if there is one. Read only by the constructor. */
  readonly healthReports?: HealthReports | undefined;
}

export type EndpointSlot = AttemptSlot<Endpoint>;

/** One provider, base URL, key and model that calls can be sent to. */
export class Endpoint {
  readonly name: string;
  /** Learns what the provider charges against its token limit. */
  readonly tokensCharged: TokensCharged;
  readonly health: EndpointHealth;
  readonly #cooldown = new EndpointCooldown();
  readonly unavailable = new UnavailableReason(this);
  /** Bottleneck limiters for other code that uses the same key. */
  readonly limiters = new LimiterSet(this, () => this.#parts.listeners.onCapacity());
  /** Undefined without a cluster. */
  readonly healthReporter: HealthReporter | undefined;
  #parts: EndpointParts;
  #weight: number;
  #isDisabled = false;
  #isRetired = false;
  #inFlight = 0;

  constructor(parts: EndpointParts) {
    const { settings, healthReports } = parts;
    this.#parts = parts;
    this.name = settings.name;
    this.tokensCharged = new TokensCharged(settings);
    this.#weight = settings.weight;
    const breaker = {
      name: settings.name,
      options: parts.breaker,
      probeLock: healthReports?.probeLock(settings.name, () => this.#parts.listeners.onCapacity()),
      onTransition: (transition: BreakerTransition) => {
        this.healthReporter?.reportTransition(transition);
        if (transition.to === 'open') this.unavailable.recordOpening();
        this.#parts.listeners.onState(this, transition.to);
        this.#parts.listeners.onCapacity();
      },
    };
    this.health = new EndpointHealth(settings.profile.latency, breaker, parts);
    this.healthReporter =
      healthReports &&
      new HealthReporter({
        name: this.name,
        reports: healthReports,
        breaker: this.breaker,
        cooldown: this.#cooldown,
        quotas: () => this.quotas,
        // Without a warning, since the peer has already logged one.
        onCooldown: (failure, ms) => this.#cooldownStarted({ class: failure, message: '' }, ms, false),
      });
  }

  get settings(): EndpointSettings {
    return this.#parts.settings;
  }

  get dialect(): Dialect {
    return this.#parts.dialect;
  }

  get exchange(): ExchangeParts {
    return this.#parts;
  }

  get quotas(): readonly Quota[] {
    return this.#parts.quotas;
  }

  get budgets(): EndpointBudgets | undefined {
    return this.#parts.budgets;
  }

  get breaker(): Breaker {
    return this.health.breaker;
  }

  get latency(): LatencyModel {
    return this.health.latency;
  }

  /** The configured weight; 0 while the endpoint is disabled. */
  get weight(): number {
    return this.#isDisabled ? 0 : this.#weight;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** The quota that calls compete for: that of the group, if the endpoint has one. */
  get quota(): Quota {
    return this.quotas[this.quotas.length - 1] as Quota;
  }

  /** End of the latest cooldown of the endpoint and its quotas, in performance.now() time; 0 if none is running. */
  cooldownUntil(now: number): number {
    return this.#cooldown.until(this.quotas, now);
  }

  state(now: number): EndpointState {
    if (this.#isDisabled) return 'disabled';
    if (this.breaker.state !== 'closed') return this.breaker.state;
    return this.cooldownUntil(now) > 0 ? 'cooldown' : 'closed';
  }

  /** Applies new settings. Keeps breaker, cooldowns, latencies, failures and the connections of running attempts. */
  configure(parts: EndpointParts): void {
    const old = this.#parts;
    this.#parts = parts;
    if (parts.settings.weight !== old.settings.weight) this.#weight = parts.settings.weight;
    this.health.configure(parts.breaker, parts.settings.profile.latency);
    this.tokensCharged.configure(parts.settings);
    if (old.transport !== parts.transport) old.transport.close();
  }

  setWeight(weight: number): void {
    this.#weight = weight;
    this.#parts.listeners.onCapacity();
  }

  disable(): void {
    if (!this.#isDisabled) this.unavailable.recordDisabling();
    this.#isDisabled = true;
    this.#parts.listeners.onState(this, 'disabled');
  }

  /** Ends the cooldowns of the endpoint and its quotas, closes the breaker and takes calls again. */
  enable(): void {
    this.#isDisabled = false;
    this.#cooldown.end(this.quotas);
    this.health.reset();
    this.healthReporter?.reset();
    this.#parts.listeners.onState(this, 'closed');
    this.#parts.listeners.onCapacity();
  }

  /** Retires an endpoint that is no longer configured: attempts in flight finish, and no new ones start. */
  retire(): void {
    this.#isDisabled = true;
    this.#isRetired = true;
    if (this.#inFlight === 0) this.close();
  }

  close(): void {
    this.breaker.shutdown();
    this.#parts.transport.close();
  }

  /** Returns what an attempt of a call takes from the quotas at admission. */
  costOf({ max, expected, maxShare, expectedShare, at }: CostEstimate): Cost {
    const { quotas } = this;
    const { mode, configured } = this.tokensCharged;
    // A large max_tokens must not make a call exceed a limit unless the provider certainly charges it.
    const isMax = configured === 'reserved' || (mode !== 'actual' && !exceededBy(quotas, max));
    return isMax ? boundOutput(quotas, max, maxShare, at) : boundOutput(quotas, expected, expectedShare, at);
  }

  /** The limit that a call exceeds even with its minimum cost: it can never be served as it is. */
  exceededBy({ certain, certainReserved }: CostEstimate): ExceededLimit | undefined {
    return exceededBy(this.quotas, this.tokensCharged.configured === 'reserved' ? certainReserved : certain);
  }

  predictLatency(size: CallSize, now: number): LatencyPrediction {
    return this.latency.predict(size, this.#inFlight, now);
  }

  /** Used share of the scarcest quota, 0 to 1. */
  usedShare(now: number): number {
    return greatestUsedShare(this.quotas, now);
  }

  /** Takes quota, a breaker ticket and one of `maxConcurrent` for an attempt. Call it only if all are available. */
  acquireSlot(call: Call, cost: Cost, now: number): EndpointSlot {
    return new AttemptSlot<Endpoint>(
      {
        endpoint: this,
        call,
        spending: this.budgets?.reserve(call, this.settings.price),
        reservation: new Reservation(this.quotas, cost, () => this.tokensCharged.mode === 'reserved', now),
        ticket: this.breaker.enter(),
        tokensSent: this.tokensCharged.recordSent(call, now),
        inFlight: this.#inFlight++,
        quotaListener: () => this.#parts.listeners.quotaListener?.(this),
        apply: (outcome) => this.#apply(outcome),
      },
      now,
    );
  }

  /** Returns the request that continues an answer from its text so far; undefined if the endpoint can't continue it. */
  continuation(body: ChatBody, textSoFar: string): ChatBody | undefined {
    const { settings, dialect } = this.#parts;
    return settings.prefill ? dialect.continuation?.(body, textSoFar, settings.provider) : undefined;
  }

  #apply(outcome: AttemptOutcome): void {
    const now = performance.now();
    if (outcome.kind === 'silent') {
      this.unavailable.recordFailure({ class: 'timeout', message: 'no answer, and none to other calls' });
      this.#recordFailure(outcome.call, outcome.counts, now);
      return;
    }
    if (outcome.kind === 'served') {
      for (const quota of this.quotas) quota.recordSuccess();
      this.#cooldown.recordServed();
      this.unavailable.hasServed = true;
      this.health.recordServed(outcome.ms, now);
      this.healthReporter?.recordSuccess(outcome.startedAt);
    } else if (outcome.kind === 'failed') this.#applyFailure(outcome, now);
    this.#release();
  }

  #applyFailure(attempt: FailedAttempt, now: number): void {
    const { call, rule, isFailure, counts, failure } = attempt;
    if (isFailure || rule.cooldownScope === 'quota-group' || rule.cooldownScope === 'endpoint')
      this.#recordFailure(call, counts, now);
    if (isFailure) this.unavailable.recordFailure(failure.detail);
    const started = this.#cooldown.startAfter(attempt, this.quotas, now);
    if (!started) return;
    const { scope, cooldownMs, shouldWarn } = started;
    if (scope === 'quota-group') this.healthReporter?.reportQuotaCooldown(now);
    else this.healthReporter?.reportCooldown(failure.detail.class, cooldownMs);
    this.#cooldownStarted(failure.detail, cooldownMs, shouldWarn);
  }

  #cooldownStarted(detail: FailureDetail, cooldownMs: number, shouldWarn: boolean): void {
    this.unavailable.recordCooldown(detail);
    this.#parts.listeners.onCooldown(this, detail, cooldownMs, shouldWarn);
  }

  #recordFailure(call: Call, counts: boolean, now: number): void {
    if (counts) this.healthReporter?.recordFailure();
    this.health.recordFailure(call, counts, now);
  }

  #release(): void {
    this.#inFlight--;
    if (this.#isRetired && this.#inFlight === 0) this.close();
    this.#parts.listeners.onCapacity();
  }
}
