import { ActiveFaults } from './active-faults';
import * as errorPlans from './error-plans';
import type { BreakPoint, Fault } from './fault';
import { firstTokenMs, generationMs, slowdown } from './latency';
import { type ModelDescription, type ModelProfile, profileOf } from './model-description';
import type { AnswerPlan, ArrivingCall, CallPlan, Damage, ErrorPlan } from './plan';
import type { Random } from './random';
import { RateLimit } from './rate-limit';

/** Options of ProviderBehavior. */
export interface ProviderBehaviorOptions {
  /** The models the provider serves, by name. A call to any other model gets a 404. */
  models: Record<string, ModelDescription>;
  /** Share of calls that fail with status 500 while no fault is active, 0 to 1. Default 0.003. */
  errorShare?: number;
  /** Source of every random decision. */
  random: Random;
}

/** Totals since the provider was created. */
export interface ProviderCounters {
  /** Calls that arrived. */
  seen: number;
  /** Calls that got a complete answer. */
  answered: number;
  /** Answers with status 429: limit exceeded, storm429 fault or exhausted quota. */
  rateLimited: number;
  /** Answers with a 5xx status. */
  serverErrors: number;
  /** Answers with any other error status. */
  otherErrors: number;
  /**
   * Answers that were cut or malformed, and calls that were reset. A stalled answer counts as aborted once its client
   * disconnects.
   */
  damaged: number;
  /** Calls that the client abandoned before they ended. */
  aborted: number;
  /** Calls in progress. */
  inFlight: number;
  /** Prompt tokens of admitted calls. */
  promptTokens: number;
  /** Output tokens generated, whether or not the client received them. */
  outputTokens: number;
  /** Price of the prompt and output tokens in USD. */
  usd: number;
}

/** An arrived call: pass it to `finish` or `abandon` exactly once. */
export interface ActiveCall {
  /** What the provider will do with the call. */
  readonly plan: CallPlan;
  /** The call as it was passed to `admit`. */
  readonly call: ArrivingCall;
}

interface ModelState {
  readonly profile: ModelProfile;
  readonly limits: Map<string, RateLimit>;
  inFlight: number;
}

interface ActiveCallState extends ActiveCall {
  readonly state: ModelState | undefined;
  /** The limit that is charged for output while it is generated; undefined if output was reserved at admission. */
  readonly outputLimit: RateLimit | undefined;
  /** False for a refused call: it uses no capacity of the model, so it slows down no other call. */
  readonly countsAsLoad: boolean;
  outputTokensCounted: number;
  isOpen: boolean;
}

/** A fault that damages an answer. */
type DamagingFault = Extract<Fault, { kind: 'cut' | 'stall' | 'bad_answer' }>;

const ERROR_SHARE = 0.003;
const BROWNOUT_FACTOR = 10;
const MAX_KEYS = 1000;

/**
 * Decides what a provider does with each call: limits, latency and faults. Time and random numbers are passed in.
 * It owns no timer and no socket, so the HTTP server can carry out its plans in real time and a benchmark in
 * virtual time.
 */
export class ProviderBehavior {
  /** The faults that are active. */
  readonly faults = new ActiveFaults();
  /** Totals since creation. */
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

  /** Throws a TypeError that names the field if a model description is invalid. */
  constructor(options: ProviderBehaviorOptions) {
    this.#random = options.random;
    this.#errorShare = options.errorShare ?? ERROR_SHARE;
    for (const [model, description] of Object.entries(options.models)) {
      this.#models.set(model, { profile: profileOf(model, description), limits: new Map(), inFlight: 0 });
    }
  }

  /** Names of the models that the provider serves. */
  get models(): string[] {
    return [...this.#models.keys()];
  }

  /** Plans the answer to a call that arrives at `now` (milliseconds on a monotonic clock). */
  admit(call: ArrivingCall, now: number): ActiveCall {
    this.counters.seen += 1;
    const state = this.#models.get(call.model);
    if (!state) return this.#open(errorPlans.modelMissing(call.model), call);
    const matched = this.faults.matching(call.model, now, this.#random);
    const early = matched.length === 0 ? undefined : this.#beforeAdmission(matched, call);
    if (early) return this.#open(early, call, state, undefined, early.kind === 'silent');

    const { profile } = state;
    if (call.promptTokens + (call.maxTokens ?? 0) > profile.contextWindow) {
      return this.#open(errorPlans.contextTooLong(call, profile.contextWindow), call, state);
    }
    const limit = limitOf(state, call.key ?? '', now);
    const reserves = profile.tokensCharged === 'reserved' && call.maxTokens !== undefined;
    const wanted = call.promptTokens + (reserves ? (call.maxTokens ?? 0) : 0);
    const admission = limit.admit(wanted, now);
    const plan = admission.admitted
      ? this.#serve(state, call, matched)
      : errorPlans.rateLimited(call, wanted, admission, this.#random);
    if (profile.sendsRateLimitHeaders) plan.limits = limit.reading(now);
    if (plan.kind === 'answer') this.#bill(profile, call.promptTokens, 0);
    return this.#open(plan, call, state, reserves ? undefined : limit, admission.admitted);
  }

  /**
   * Charges the output generated so far, so that the token bucket drains while a stream runs. Optional: `finish` and
   * `abandon` charge what is left.
   */
  recordOutput(active: ActiveCall, tokens: number, now: number): void {
    const open = active as ActiveCallState;
    if (!open.state || tokens <= open.outputTokensCounted) return;
    open.outputLimit?.consume(tokens - open.outputTokensCounted, now);
    this.#bill(open.state.profile, 0, tokens - open.outputTokensCounted);
    open.outputTokensCounted = tokens;
  }

  /** Records that the plan was carried out to its end. */
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
    this.recordOutput(
      active,
      damage && 'afterTokens' in damage ? damage.afterTokens : plan.outputTokens,
      now,
    );
  }

  /** Records that the client disconnected after `tokens` tokens of the answer had been generated. */
  abandon(active: ActiveCall, tokens: number, now: number): void {
    if (!this.#close(active)) return;
    this.counters.aborted += 1;
    this.recordOutput(active, tokens, now);
  }

  #beforeAdmission(matched: readonly Fault[], call: ArrivingCall): CallPlan | undefined {
    for (const fault of matched) {
      switch (fault.kind) {
        case 'unauthorized':
          return errorPlans.unauthorized();
        case 'model_missing':
          return errorPlans.modelMissing(call.model);
        case 'quota_exhausted':
          return errorPlans.quotaExhausted();
        case 'storm429':
          return errorPlans.rateLimitStorm(call, this.#random);
        case 'error':
          return errorPlans.customError(fault);
        case 'outage':
          return this.#random() < 0.5 ? errorPlans.unavailable(this.#random) : { kind: 'silent' };
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

  #serve(state: ModelState, call: ArrivingCall, matched: readonly Fault[]): AnswerPlan | ErrorPlan {
    const { profile } = state;
    let slow = slowdown(profile, state.inFlight);
    let error: number | undefined;
    let damage: DamagingFault | undefined;
    for (const fault of matched) {
      if (fault.kind === 'brownout') slow *= fault.factor ?? BROWNOUT_FACTOR;
      else if (fault.kind === 'err5xx') error = fault.status ?? 500;
      else if (fault.kind === 'cut' || fault.kind === 'stall' || fault.kind === 'bad_answer')
        damage ??= fault;
    }
    const first = firstTokenMs(profile, call.promptTokens, slow, this.#random);
    if (error === undefined && this.#errorShare > 0 && this.#random() < this.#errorShare) error = 500;
    if (error !== undefined) return errorPlans.serverError(error, first);

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
    for (const oldest of state.limits.keys()) {
      if (state.limits.size < MAX_KEYS) break;
      state.limits.delete(oldest);
    }
    limit = new RateLimit(state.profile, now);
    state.limits.set(key, limit);
  }
  return limit;
}

function damageOf(fault: DamagingFault, outputTokens: number): Damage {
  if (fault.kind === 'bad_answer') return { kind: 'bad_answer', form: fault.form ?? 'html' };
  return { kind: fault.kind, afterTokens: breakPoint(fault, outputTokens) };
}

function breakPoint(at: BreakPoint, outputTokens: number): number {
  return Math.min(outputTokens, at.afterTokens ?? Math.floor(outputTokens * (at.fraction ?? 0.5)));
}
