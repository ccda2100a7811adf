import type { ChatBody } from '../call/body';
import type { Call } from '../call/call';
import type { HeardNews, NewsDesk } from '../cluster/health-reports/health-reports';
import type { RestingClass } from '../cluster/health-reports/message';
import type { FailureClass, FailureRule } from '../failure/classes';
import type { FailureDetail } from '../failure/detail';
import { AverageLatency } from '../health/average-latency';
import { Breaker, type BreakerTicket, type Cause } from '../health/breaker';
import { FailureShare } from '../health/failure-rate';
import { type Expectation, LatencyModel, type Size } from '../health/latency-model';
import type { BreakerOptions } from '../health/options';
import { PeakLatency } from '../health/peak-ewma';
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
import type { Charge, Charges, Quota } from '../quota/quota';
import { FIRST_REST_MS, restQuotas } from '../quota/quota-cooldown';
import { Reservation } from '../quota/reservation';
import { Charging } from '../quota/tokens-charged';
import { AttemptLease, type EndedBadly } from './attempt-slot';
import type { EndpointSettings } from './endpoint-settings';
import { Witness } from './health-reporter';
import { inTurn, NOT_ITS_TURN } from './send-probe';

/** A recent share of hard failures above this opens the breaker. */
const OPENING_SHARE = 0.6;

export type EndpointState = 'closed' | 'open' | 'half-open' | 'resting' | 'disabled';

/** What an endpoint tells as it happens. */
export interface EndpointListeners {
  onState(endpoint: Endpoint, state: EndpointState): void;
  onRest(endpoint: Endpoint, detail: FailureDetail, restMs: number, announced: boolean): void;
  /** A place, a quota or the breaker may have become free. */
  onRoom(): void;
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
  readonly news?: NewsDesk | undefined;
}

/** One attempt's hold on an endpoint. */
export type Lease = AttemptLease<Endpoint>;

/** One place a call can go. */
export class Endpoint {
  readonly name: string;
  readonly breaker: Breaker;
  readonly average = new AverageLatency();
  readonly peak = new PeakLatency();
  readonly latency: LatencyModel;
  readonly failureShare = new FailureShare();
  /** What the provider takes from the token quota, as far as it is known. */
  readonly charging: Charging;
  readonly #witness: Witness | undefined;
  #parts: EndpointParts;
  #weight: number;
  /** A probe that was leased and is not sent yet. Its call may be sent in other words, in the same context. */
  #probe: { readonly context: Call['context']; readonly ticket: BreakerTicket } | undefined;
  #disabled = false;
  #retired = false;
  #inFlight = 0;
  #failures = 0;
  #restsUntil = 0;

  constructor(parts: EndpointParts) {
    this.#parts = parts;
    this.name = parts.settings.name;
    this.latency = new LatencyModel(parts.settings.profile.latency);
    this.charging = new Charging(parts.settings);
    this.#weight = parts.settings.weight;
    const { name } = this;
    const listeners = {
      onOpen: (restMs: number, cause: Cause, stepMs: number) => {
        this.#witness?.opened(cause, restMs, stepMs);
        this.#stateChanged('open');
      },
      onHalfOpen: () => {
        // The breaker's rest was the answer to the failures: they must not keep the probe away as well.
        this.failureShare.reset();
        this.#stateChanged('half-open');
      },
      onClose: (cause: Cause) => {
        this.#witness?.closed(cause);
        this.failureShare.reset();
        this.#stateChanged('closed');
      },
    };
    const turn = parts.news?.turnOf(name, () => this.#parts.listeners.onRoom());
    this.breaker = new Breaker(name, parts.breaker, listeners, Math.random, turn);
    this.#witness = parts.news && new Witness(this, parts.news);
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
    return this.#disabled ? 0 : this.#weight;
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
  restsUntil(now: number): number {
    let until = this.#restsUntil;
    for (const quota of this.quotas) until = Math.max(until, quota.restsUntil);
    return until > now ? until : 0;
  }

  /** The end of the rest that is this endpoint's alone. */
  get ownRestUntil(): number {
    return this.#restsUntil;
  }

  state(now: number): EndpointState {
    if (this.#disabled) return 'disabled';
    if (this.breaker.state !== 'closed') return this.breaker.state;
    return this.restsUntil(now) > 0 ? 'resting' : 'closed';
  }

  setWeight(weight: number): void {
    this.#weight = weight;
    this.#parts.listeners.onRoom();
  }

  disable(): void {
    this.#disabled = true;
    this.#parts.listeners.onState(this, 'disabled');
  }

  /** Ends a rest, closes the breaker, and takes calls again. */
  enable(): void {
    this.#disabled = false;
    this.#restsUntil = 0;
    for (const quota of this.quotas) quota.restsUntil = 0;
    this.failureShare.reset();
    this.breaker.close();
    this.#witness?.freed();
    this.#stateChanged('closed');
  }

  /** Takes over what another process tells of this endpoint, as far as it is believed. */
  hear(news: HeardNews): void {
    this.#witness?.hear(news);
  }

  /** Whether calls of our own have shown otherwise since. */
  isOldNews(news: HeardNews): boolean {
    return this.#witness?.isOld(news) ?? false;
  }

  /** @internal */
  restAsTold(failure: RestingClass, until: number): void {
    this.#restsUntil = Math.max(this.#restsUntil, until);
    this.#restTold(failure, until - performance.now());
  }

  /** @internal Its quotas rest after a 429 that another process got. */
  quotasRestAsTold(restMs: number): void {
    this.#restTold('rate_limited', restMs);
  }

  /** What an attempt of this call takes from the quota at admission. */
  charge({ most, expected }: Charges): Charge {
    const { mode } = this.charging;
    if (mode === 'actual') return expected;
    // A cautious max_tokens must not make a call look larger than the limit where only real usage is charged.
    return mode === undefined && this.exceededBy(most) !== undefined ? expected : most;
  }

  /** Predicted milliseconds to the first token and to the whole answer, were it sent now. */
  expect(size: Size, now: number): Expectation {
    return this.latency.expect(size, this.#inFlight, now);
  }

  /** Milliseconds until the quotas have room for the charge; Infinity when they never will. */
  quotaWaitMs(charge: Charge, now: number): number {
    let wait = 0;
    for (const quota of this.#parts.quotas) {
      const ms = quota.waitMs(charge, now);
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
  exceededBy(charge: Charge): ReturnType<Quota['exceededBy']> {
    for (const quota of this.quotas) {
      const exceeded = quota.exceededBy(charge);
      if (exceeded) return exceeded;
    }
    return undefined;
  }

  /** Takes quota, breaker and a place for one attempt. Call only when all of them let it in. */
  lease(call: Call, charge: Charge, now: number): Lease {
    const ticket = this.breaker.enter();
    if (this.#witness && this.breaker.state === 'half-open') this.#probe = { context: call.context, ticket };
    const expected = this.expect(call, now);
    const parts = {
      endpoint: this,
      call,
      reservation: new Reservation(this.quotas, charge, () => this.charging.mode === 'reserved', now),
      ticket,
      chargeMark: this.charging.sent(call, now),
      beside: this.#inFlight,
      expectedMs: call.stream ? expected.firstTokenMs : expected.totalMs,
    };
    this.#inFlight++;
    return new AttemptLease<Endpoint>(parts, now);
  }

  /** Sends what a lease was taken for. Throws UpstreamFailure. */
  sendWhole(call: Call, options: ExchangeOptions): Promise<WholeAnswer> {
    const turn = this.#turn(call, options);
    if (turn) return inTurn(turn, options, (left) => exchangeWhole(this.#parts, call, left));
    return exchangeWhole(this.#parts, call, options);
  }

  sendStream(call: Call, options: ExchangeOptions): Promise<StreamedAnswer> {
    const turn = this.#turn(call, options);
    if (turn) return inTurn(turn, options, (left) => exchangeStream(this.#parts, call, left));
    return exchangeStream(this.#parts, call, options);
  }

  /** The request for an answer that goes on from a text, where its dialect can. */
  continuation(body: ChatBody, textSoFar: string): ChatBody | undefined {
    return this.#parts.dialect.continuation?.(body, textSoFar);
  }

  /** @internal The lease says how its attempt ended. */
  onSuccess(ms: number): void {
    this.#failures = 0;
    for (const quota of this.quotas) quota.refusals = 0;
    const now = performance.now();
    this.average.add(ms);
    this.peak.add(ms, now);
    this.failureShare.add(false, now);
    this.#witness?.served(now - ms);
    this.onRelease();
  }

  /** @internal */
  onFailure(reservation: Reservation, { failure, rule, counts }: EndedBadly): void {
    const { detail } = failure;
    if (detail.code === NOT_ITS_TURN) {
      this.onRelease();
      return;
    }
    if (counts || (rule.rests !== 'nothing' && rule.rests !== 'breaker')) this.#failures++;
    if (counts) this.#countFailure();
    if (rule.rests === 'quota-group') this.#restQuota(reservation, failure);
    else if (rule.rests === 'endpoint') this.#rest(detail, rule);
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
    if (this.#retired && this.#inFlight === 0) this.close();
    this.#parts.listeners.onRoom();
  }

  /** It is no longer configured: what is in flight ends, nothing new begins. */
  retire(): void {
    this.#disabled = true;
    this.#retired = true;
    if (this.#inFlight === 0) this.close();
  }

  close(): void {
    this.breaker.shutdown();
    this.#parts.transport.close();
  }

  #turn({ context }: Call, { limitMs }: ExchangeOptions): Promise<boolean> | undefined {
    if (this.#probe?.context !== context) return undefined;
    const { ticket } = this.#probe;
    this.#probe = undefined;
    return ticket.turn(limitMs);
  }

  #countFailure(): void {
    const now = performance.now();
    this.#witness?.failed();
    this.failureShare.add(true, now);
    // Only while closed: a late failure of a time before an opening must not cut a probe short.
    if (this.breaker.state === 'closed' && this.failureShare.value(now) > OPENING_SHARE) this.breaker.open();
  }

  #restQuota(reservation: Reservation, failure: UpstreamFailure): void {
    const now = performance.now();
    restQuotas(reservation, failure, now);
    this.#witness?.quotasRested(now);
    this.#parts.listeners.onRest(this, failure.detail, this.restsUntil(now) - now, false);
  }

  #rest(detail: FailureDetail, rule: FailureRule): void {
    const now = performance.now();
    const restMs = Math.max(rule.restMs ?? FIRST_REST_MS, detail.retryAfterMs ?? 0);
    this.#restsUntil = Math.max(this.#restsUntil, now + restMs);
    this.#witness?.rested(detail.class, restMs);
    this.#parts.listeners.onRest(this, detail, restMs, rule.announced);
  }

  /** The process that got the answer has said that someone should see to it. */
  #restTold(failure: FailureClass, restMs: number): void {
    this.#parts.listeners.onRest(this, { class: failure, message: '' }, restMs, false);
  }

  #stateChanged(state: EndpointState): void {
    this.#parts.listeners.onState(this, state);
    this.#parts.listeners.onRoom();
  }
}
