import { type ModelDescription, type ModelProfile, profileOf } from './description';
import * as refusals from './error-plans';
import type { Break, Fault } from './fault';
import { FaultBoard } from './fault-board';
import { firstTokenMs, generationMs, slowdown } from './latency';
import type { AnswerPlan, ArrivingCall, CallPlan, Damage, ErrorPlan } from './plan';
import type { Random } from './random';
import { RateLimit } from './rate-limit';

export interface PhysicsOptions {
  models: Record<string, ModelDescription>;
  /** Share of calls that answer 500 with no fault switched on. Default 0.003. */
  errorShare?: number;
  random: Random;
}

/** What a provider has seen and done so far. */
export interface ProviderCounters {
  seen: number;
  answered: number;
  /** Every 429: over the limit, storm, exhausted quota. */
  rateLimited: number;
  serverErrors: number;
  otherErrors: number;
  /** Answers that were cut, stalled or no answers at all. */
  damaged: number;
  /** Calls that the client left before they ended. */
  aborted: number;
  inFlight: number;
  promptTokens: number;
  outputTokens: number;
  /** The price of all those tokens, those nobody received too. */
  usd: number;
}

/** A call that is being served: hand it back to `finish` or `abandon` exactly once. */
export interface ActiveCall {
  readonly plan: CallPlan;
  readonly call: ArrivingCall;
}

interface ModelState {
  readonly profile: ModelProfile;
  readonly limits: Map<string, RateLimit>;
  inFlight: number;
}

interface ActiveCallState extends ActiveCall {
  readonly state: ModelState | undefined;
  /** The limit that pays for the output as it comes; none where it was reserved. */
  readonly outputLimit: RateLimit | undefined;
  /** A refused call costs the model no capacity, so it slows nobody down. */
  readonly countsAsLoad: boolean;
  outputTokensCounted: number;
  isOpen: boolean;
}

const ERROR_SHARE = 0.003;
const BROWNOUT_FACTOR = 10;
const MAX_KEYS = 1000;

/**
 * The laws of a provider: limits, latency and faults, with time and random numbers handed in. It owns no timer
 * and no socket, so the HTTP server acts its plans out in real time and a benchmark in virtual time.
 */
export class ProviderPhysics {
  readonly faults = new FaultBoard();
  readonly counters: ProviderCounters = {
    seen: 0,
    answered: 0,
    rateLimited: 0,
    serverErrors: 0,
    otherErrors: 0,
    damaged: 0,
    aborted: 0,
    inFlight: 0,
    promptTokens: 0,
    outputTokens: 0,
    usd: 0,
  };
  readonly #models = new Map<string, ModelState>();
  readonly #random: Random;
  readonly #errorShare: number;

  constructor(options: PhysicsOptions) {
    this.#random = options.random;
    this.#errorShare = options.errorShare ?? ERROR_SHARE;
    for (const [model, description] of Object.entries(options.models)) {
      this.#models.set(model, { profile: profileOf(model, description), limits: new Map(), inFlight: 0 });
    }
  }

  get models(): string[] {
    return [...this.#models.keys()];
  }

  /** Decides what becomes of a call that arrives now (ms on the caller's monotonic clock). */
  admit(call: ArrivingCall, now: number): ActiveCall {
    this.counters.seen += 1;
    const state = this.#models.get(call.model);
    if (!state) return this.#open(refusals.modelMissing(call.model), call);
    const met = this.faults.meet(call.model, now, this.#random);
    const early = met.length === 0 ? undefined : this.#beforeAdmission(met, call);
    if (early) return this.#open(early, call, state, undefined, early.kind === 'silent');

    const { profile } = state;
    if (call.promptTokens + (call.maxTokens ?? 0) > profile.contextWindow) {
      return this.#open(refusals.contextTooLong(call, profile.contextWindow), call, state);
    }
    const limit = limitOf(state, call.key ?? '', now);
    const reserves = profile.tokensCharged === 'reserved' && call.maxTokens !== undefined;
    const wanted = call.promptTokens + (reserves ? (call.maxTokens ?? 0) : 0);
    const admission = limit.admit(wanted, now);
    const plan = admission.admitted
      ? this.#serve(state, call, met)
      : refusals.rateLimited(call, wanted, admission, this.#random);
    if (profile.sendsRateLimitHeaders) plan.limits = limit.reading(now);
    if (plan.kind === 'answer') this.#bill(profile, call.promptTokens, 0);
    return this.#open(plan, call, state, reserves ? undefined : limit, admission.admitted);
  }

  /** Charges output produced so far; only of use to those who want the buckets to sink while a stream runs. */
  produced(active: ActiveCall, tokens: number, now: number): void {
    const open = active as ActiveCallState;
    if (!open.state || tokens <= open.outputTokensCounted) return;
    open.outputLimit?.consume(tokens - open.outputTokensCounted, now);
    this.#bill(open.state.profile, 0, tokens - open.outputTokensCounted);
    open.outputTokensCounted = tokens;
  }

  /** The plan was acted out to its end. */
  finish(active: ActiveCall, now: number): void {
    const { plan } = active;
    if (!this.#close(active)) return;
    if (plan.kind === 'error') {
      if (plan.status === 429) this.counters.rateLimited += 1;
      else if (plan.status >= 500) this.counters.serverErrors += 1;
      else this.counters.otherErrors += 1;
      return;
    }
    if (plan.kind === 'answer' && !plan.damage) this.counters.answered += 1;
    else this.counters.damaged += 1;
    if (plan.kind !== 'answer') return;
    const { damage } = plan;
    this.produced(active, damage && 'afterTokens' in damage ? damage.afterTokens : plan.outputTokens, now);
  }

  /** The client left when that many tokens of the answer existed. */
  abandon(active: ActiveCall, tokens: number, now: number): void {
    if (!this.#close(active)) return;
    this.counters.aborted += 1;
    this.produced(active, tokens, now);
  }

  #beforeAdmission(met: readonly Fault[], call: ArrivingCall): CallPlan | undefined {
    for (const fault of met) {
      switch (fault.kind) {
        case 'unauthorized':
          return refusals.unauthorized();
        case 'model_missing':
          return refusals.modelMissing(call.model);
        case 'quota_exhausted':
          return refusals.quotaExhausted();
        case 'storm429':
          return refusals.rateLimitStorm(call, this.#random);
        case 'error':
          return refusals.customError(fault);
        case 'outage':
          return this.#random() < 0.5 ? refusals.unavailable(this.#random) : { kind: 'silent' };
        case 'silence':
          return { kind: 'silent' };
        case 'reset':
        case 'refuse':
          return { kind: 'reset' };
        default:
      }
    }
    return undefined;
  }

  #serve(state: ModelState, call: ArrivingCall, met: readonly Fault[]): AnswerPlan | ErrorPlan {
    const { profile } = state;
    let slow = slowdown(profile, state.inFlight);
    let error: number | undefined;
    let damage: Fault | undefined;
    for (const fault of met) {
      if (fault.kind === 'brownout') slow *= fault.factor ?? BROWNOUT_FACTOR;
      else if (fault.kind === 'err5xx') error = fault.status ?? 500;
      else if (fault.kind === 'cut' || fault.kind === 'stall' || fault.kind === 'bad_answer')
        damage ??= fault;
    }
    const first = firstTokenMs(profile, call.promptTokens, slow, this.#random);
    if (error === undefined && this.#errorShare > 0 && this.#random() < this.#errorShare) error = 500;
    if (error !== undefined) return refusals.serverError(error, first);

    const longest = call.maxTokens ?? Infinity;
    const outputTokens = Math.min(call.outputTokens, longest);
    const plan: AnswerPlan = {
      kind: 'answer',
      firstTokenMs: first,
      totalMs: first + generationMs(profile, outputTokens, slow, this.#random),
      promptTokens: call.promptTokens,
      outputTokens,
      finish: call.outputTokens > longest ? 'length' : 'stop',
    };
    if (damage) plan.damage = damageOf(damage, outputTokens);
    return plan;
  }

  #open(
    plan: CallPlan,
    call: ArrivingCall,
    state?: ModelState,
    chargedForOutput?: RateLimit,
    loads = false,
  ): ActiveCallState {
    if (state && loads) state.inFlight += 1;
    this.counters.inFlight += 1;
    return {
      plan,
      call,
      state,
      outputLimit: chargedForOutput,
      countsAsLoad: loads,
      outputTokensCounted: 0,
      isOpen: true,
    };
  }

  #close(active: ActiveCall): boolean {
    const open = active as ActiveCallState;
    if (!open.isOpen) return false;
    open.isOpen = false;
    if (open.state && open.countsAsLoad) open.state.inFlight -= 1;
    this.counters.inFlight -= 1;
    return true;
  }

  #bill(profile: ModelProfile, promptTokens: number, outputTokens: number): void {
    this.counters.promptTokens += promptTokens;
    this.counters.outputTokens += outputTokens;
    this.counters.usd += (promptTokens * profile.price.input + outputTokens * profile.price.output) / 1e6;
  }
}

function limitOf(state: ModelState, key: string, now: number): RateLimit {
  let limit = state.limits.get(key);
  if (!limit) {
    const [oldest] = state.limits.keys();
    if (state.limits.size >= MAX_KEYS && oldest !== undefined) state.limits.delete(oldest);
    limit = new RateLimit(state.profile, now);
    state.limits.set(key, limit);
  }
  return limit;
}

function damageOf(fault: Fault, outputTokens: number): Damage | undefined {
  if (fault.kind === 'bad_answer') return { kind: 'bad_answer', form: fault.form ?? 'html' };
  if (fault.kind !== 'cut' && fault.kind !== 'stall') return undefined;
  return { kind: fault.kind, afterTokens: breakPoint(fault, outputTokens) };
}

function breakPoint(at: Break, outputTokens: number): number {
  return Math.min(outputTokens, at.afterTokens ?? Math.floor(outputTokens * (at.fraction ?? 0.5)));
}
