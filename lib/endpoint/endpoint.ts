import type { ChatBody } from '../call/body';
import type { Call } from '../call/call';
import type { HealthReportBus, ReceivedReport } from '../cluster/health-reports/health-reports';
import type { CooldownClass } from '../cluster/health-reports/message';
import type { FailureClass, FailureRule } from '../failure/classes';
import type { FailureDetail } from '../failure/detail';
import { AverageLatency } from '../health/average-latency';
import { Breaker, type BreakerCause, type BreakerTicket } from '../health/breaker';
import { FailureRate } from '../health/failure-rate';
import { type CallSize, LatencyModel, type LatencyPrediction } from '../health/latency-model';
import type { BreakerOptions } from '../health/options';
import { PeakEwma } from '../health/peak-ewma';
import {
  type ExchangeOptions,
  exchangeStream,
  exchangeWhole,
  type StreamedAnswer,
  type UpstreamFailure,
  type WholeAnswer,
} from '../http/exchange';
import type { Transport } from '../http/transport';
import type { Dialect } from '../provider/dialect';
import type { Cost, CostEstimate, Quota } from '../quota/quota';
import { coolDownQuotas, FIRST_COOLDOWN_MS } from '../quota/quota-cooldown';
import { Reservation } from '../quota/reservation';
import { TokensCharged } from '../quota/tokens-charged';
import { type AttemptFailure, AttemptSlot } from './attempt-slot';
import type { EndpointSettings } from './endpoint-settings';
import { HealthReporter } from './health-reporter';
import { PROBED_ELSEWHERE, sendProbe } from './send-probe';

/** A recent share of hard failures above this opens the breaker. */
const OPENING_FAILURE_RATE = 0.6;

export type EndpointState = 'closed' | 'open' | 'half-open' | 'cooldown' | 'disabled';

/** What an endpoint tells as it happens. */
export interface EndpointListeners {
  onState(endpoint: Endpoint, state: EndpointState): void;
  onCooldown(endpoint: Endpoint, detail: FailureDetail, cooldownMs: number, announced: boolean): void;
  /** A place, a quota or the breaker may have become free. */
  onCapacity(): void;
}

export interface EndpointParts {
  readonly settings: EndpointSettings;
  readonly dialect: Dialect;
  readonly transport: Transport;
  readonly breaker: BreakerOptions;
  /** Its own quota, then its group's where it has one. */
  readonly quotas: readonly Quota[];
  readonly listeners: EndpointListeners;
  /** Where there are other processes to tell and to hear. Read once, at the start. */
  readonly healthReports?: HealthReportBus | undefined;
}

/** One attempt's hold on an endpoint. */
export type EndpointSlot = AttemptSlot<Endpoint>;

/** One place a call can go. */
export class Endpoint {
  readonly name: string;
  readonly breaker: Breaker;
  readonly average = new AverageLatency();
  readonly peak = new PeakEwma();
  readonly latency: LatencyModel;
  readonly failureRate = new FailureRate();
  /** What the provider takes from the token quota, as far as it is known. */
  readonly tokensCharged: TokensCharged;
  readonly #healthReporter: HealthReporter | undefined;
  #parts: EndpointParts;
  #weight: number;
  /** A probe that was leased and is not sent yet. Its call may be sent in other words, in the same context. */
  #probe: { readonly context: Call['context']; readonly ticket: BreakerTicket } | undefined;
  #isDisabled = false;
  #isRetired = false;
  #inFlight = 0;
  #failures = 0;
  #cooldownUntil = 0;

  constructor(parts: EndpointParts) {
    this.#parts = parts;
    this.name = parts.settings.name;
    this.latency = new LatencyModel(parts.settings.profile.latency);
    this.tokensCharged = new TokensCharged(parts.settings);
    this.#weight = parts.settings.weight;
    const { name } = this;
    const listeners = {
      onOpen: (restMs: number, cause: BreakerCause, stepMs: number) => {
        this.#healthReporter?.reportOpened(cause, restMs, stepMs);
        this.#stateChanged('open');
      },
      onHalfOpen: () => {
        // The breaker's rest was the answer to the failures: they must not keep the probe away as well.
        this.failureRate.reset();
        this.#stateChanged('half-open');
      },
      onClose: (cause: BreakerCause) => {
        this.#healthReporter?.reportClosed(cause);
        this.failureRate.reset();
        this.#stateChanged('closed');
      },
    };
    const acquireProbeLock = parts.healthReports?.probeLock(name, () => this.#parts.listeners.onCapacity());
    this.breaker = new Breaker(name, parts.breaker, listeners, Math.random, acquireProbeLock);
    this.#healthReporter = parts.healthReports && new HealthReporter(this, parts.healthReports);
  }

  get settings(): EndpointSettings {
    return this.#parts.settings;
  }

  get quotas(): readonly Quota[] {
    return this.#parts.quotas;
  }

  /** Takes new settings. Breaker, rests, latencies and failures stay; attempts in flight end as they began. */
  configure(parts: EndpointParts): void {
    const old = this.#parts;
    this.#parts = parts;
    if (parts.settings.weight !== old.settings.weight) this.#weight = parts.settings.weight;
    this.breaker.configure(parts.breaker);
    if (old.transport !== parts.transport) old.transport.close();
  }

  get weight(): number {
    return this.#isDisabled ? 0 : this.#weight;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Failed attempts since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** The quota that calls compete for: the group's where there is one. */
  get quota(): Quota {
    return this.quotas[this.quotas.length - 1] as Quota;
  }

  /** The end of its rest on the clock of performance.now(); 0 when it isn't resting. */
  cooldownUntil(now: number): number {
    let until = this.#cooldownUntil;
    for (const quota of this.quotas) until = Math.max(until, quota.cooldownUntil);
    return until > now ? until : 0;
  }

  /** The end of the rest that is this endpoint's alone. */
  get ownCooldownUntil(): number {
    return this.#cooldownUntil;
  }

  state(now: number): EndpointState {
    if (this.#isDisabled) return 'disabled';
    if (this.breaker.state !== 'closed') return this.breaker.state;
    return this.cooldownUntil(now) > 0 ? 'cooldown' : 'closed';
  }

  setWeight(weight: number): void {
    this.#weight = weight;
    this.#parts.listeners.onCapacity();
  }

  disable(): void {
    this.#isDisabled = true;
    this.#parts.listeners.onState(this, 'disabled');
  }

  /** Ends a rest, closes the breaker, and takes calls again. */
  enable(): void {
    this.#isDisabled = false;
    this.#cooldownUntil = 0;
    for (const quota of this.quotas) quota.cooldownUntil = 0;
    this.failureRate.reset();
    this.breaker.close();
    this.#healthReporter?.reset();
    this.#stateChanged('closed');
  }

  /** Takes over what another process tells of this endpoint, as far as it is believed. */
  applyReport(report: ReceivedReport): void {
    this.#healthReporter?.applyReport(report);
  }

  /** Whether calls of our own have shown otherwise since. */
  isStaleReport(report: ReceivedReport): boolean {
    return this.#healthReporter?.isStale(report) ?? false;
  }

  /** @internal */
  coolDownOnReport(failure: CooldownClass, until: number): void {
    this.#cooldownUntil = Math.max(this.#cooldownUntil, until);
    this.#notifyCooldown(failure, until - performance.now());
  }

  /** @internal Its quotas rest after a 429 that another process got. */
  notifyQuotaCooldown(cooldownMs: number): void {
    this.#notifyCooldown('rate_limited', cooldownMs);
  }

  /** What an attempt of this call takes from the quota at admission. */
  costOf({ max: most, expected }: CostEstimate): Cost {
    const { mode } = this.tokensCharged;
    if (mode === 'actual') return expected;
    // A cautious max_tokens must not make a call look larger than the limit where only real usage is charged.
    return mode === undefined && this.exceededBy(most) !== undefined ? expected : most;
  }

  /** Predicted milliseconds to the first token and to the whole answer, were it sent now. */
  predictLatency(size: CallSize, now: number): LatencyPrediction {
    return this.latency.predict(size, this.#inFlight, now);
  }

  /** Milliseconds until the quotas have room for the charge; Infinity when they never will. */
  quotaWaitMs(cost: Cost, now: number): number {
    let wait = 0;
    for (const quota of this.#parts.quotas) {
      const ms = quota.waitMs(cost, now);
      if (ms > wait) wait = ms;
    }
    return wait;
  }

  /** 0 to 1: the used share of the scarcest quota. */
  usedShare(now: number): number {
    let used = 0;
    for (const quota of this.quotas) used = Math.max(used, quota.usedShare(now));
    return used;
  }

  /** The limit that this charge alone exceeds, if any. */
  exceededBy(cost: Cost): ReturnType<Quota['exceededBy']> {
    for (const quota of this.quotas) {
      const exceeded = quota.exceededBy(cost);
      if (exceeded) return exceeded;
    }
    return undefined;
  }

  /** Takes quota, breaker and a place for one attempt. Call only when all of them let it in. */
  acquireSlot(call: Call, cost: Cost, now: number): EndpointSlot {
    const ticket = this.breaker.enter();
    if (this.#healthReporter && this.breaker.state === 'half-open')
      this.#probe = { context: call.context, ticket };
    const expected = this.predictLatency(call, now);
    const parts = {
      endpoint: this,
      call,
      reservation: new Reservation(this.quotas, cost, () => this.tokensCharged.mode === 'reserved', now),
      ticket,
      tokensSent: this.tokensCharged.recordSent(call, now),
      inFlight: this.#inFlight,
      expectedMs: call.stream ? expected.firstTokenMs : expected.totalMs,
    };
    this.#inFlight++;
    return new AttemptSlot<Endpoint>(parts, now);
  }

  /** Sends what a lease was taken for. Throws UpstreamFailure. */
  sendWhole(call: Call, options: ExchangeOptions): Promise<WholeAnswer> {
    const probeLock = this.#probeLock(call, options);
    if (probeLock) return sendProbe(probeLock, options, (left) => exchangeWhole(this.#parts, call, left));
    return exchangeWhole(this.#parts, call, options);
  }

  sendStream(call: Call, options: ExchangeOptions): Promise<StreamedAnswer> {
    const probeLock = this.#probeLock(call, options);
    if (probeLock) return sendProbe(probeLock, options, (left) => exchangeStream(this.#parts, call, left));
    return exchangeStream(this.#parts, call, options);
  }

  /** The request that continues an answer from its text so far; undefined where the endpoint can't continue it. */
  continuation(body: ChatBody, textSoFar: string): ChatBody | undefined {
    const { settings, dialect } = this.#parts;
    return settings.prefill ? dialect.continuation?.(body, textSoFar, settings.provider) : undefined;
  }

  /** @internal The lease says how its attempt ended. */
  onSuccess(ms: number): void {
    this.#failures = 0;
    for (const quota of this.quotas) quota.refusals = 0;
    const now = performance.now();
    this.average.add(ms);
    this.peak.add(ms, now);
    this.failureRate.add(false, now);
    this.#healthReporter?.recordSuccess(now - ms);
    this.onRelease();
  }

  /** @internal */
  onFailure(reservation: Reservation, { failure, rule, counts }: AttemptFailure): void {
    const { detail } = failure;
    if (detail.code === PROBED_ELSEWHERE) {
      this.onRelease();
      return;
    }
    if (counts || (rule.cooldownScope !== 'none' && rule.cooldownScope !== 'breaker')) this.#failures++;
    if (counts) this.#countFailure();
    if (rule.cooldownScope === 'quota-group') this.#coolDownQuotas(reservation, failure);
    else if (rule.cooldownScope === 'endpoint') this.#coolDown(detail, rule);
    this.onRelease();
  }

  /** @internal An attempt has said nothing for too long. */
  onSilence(): void {
    this.#failures++;
    this.#countFailure();
  }

  /** @internal */
  onRelease(): void {
    this.#inFlight--;
    if (this.#isRetired && this.#inFlight === 0) this.close();
    this.#parts.listeners.onCapacity();
  }

  /** It is no longer configured: what is in flight ends, nothing new begins. */
  retire(): void {
    this.#isDisabled = true;
    this.#isRetired = true;
    if (this.#inFlight === 0) this.close();
  }

  close(): void {
    this.breaker.shutdown();
    this.#parts.transport.close();
  }

  #probeLock({ context }: Call, { limitMs }: ExchangeOptions): Promise<boolean> | undefined {
    if (this.#probe?.context !== context) return undefined;
    const { ticket } = this.#probe;
    this.#probe = undefined;
    return ticket.acquireProbeLock(limitMs);
  }

  #countFailure(): void {
    const now = performance.now();
    this.#healthReporter?.recordFailure();
    this.failureRate.add(true, now);
    // Only while closed: a late failure of a time before an opening must not cut a probe short.
    if (this.breaker.state === 'closed' && this.failureRate.value(now) > OPENING_FAILURE_RATE)
      this.breaker.open();
  }

  #coolDownQuotas(reservation: Reservation, failure: UpstreamFailure): void {
    const now = performance.now();
    coolDownQuotas(reservation, failure, now);
    this.#healthReporter?.reportQuotaCooldown(now);
    this.#parts.listeners.onCooldown(this, failure.detail, this.cooldownUntil(now) - now, false);
  }

  #coolDown(detail: FailureDetail, rule: FailureRule): void {
    const now = performance.now();
    const cooldownMs = Math.max(rule.cooldownMs ?? FIRST_COOLDOWN_MS, detail.retryAfterMs ?? 0);
    this.#cooldownUntil = Math.max(this.#cooldownUntil, now + cooldownMs);
    this.#healthReporter?.reportCooldown(detail.class, cooldownMs);
    this.#parts.listeners.onCooldown(this, detail, cooldownMs, rule.shouldWarn);
  }

  /** The process that got the answer has said that someone should see to it. */
  #notifyCooldown(failure: FailureClass, cooldownMs: number): void {
    this.#parts.listeners.onCooldown(this, { class: failure, message: '' }, cooldownMs, false);
  }

  #stateChanged(state: EndpointState): void {
    this.#parts.listeners.onState(this, state);
    this.#parts.listeners.onCapacity();
  }
}
