import {
  type ActiveCall,
  type AnswerPlan,
  type ErrorPlan,
  type Fault,
  type ModelDescription,
  ProviderBehavior,
  seededRandom,
  tokensAt,
} from '../../../simulator/behavior';
import type { GroupLimit } from './group-limit';
import type { WorkCall } from './workload';

/** A fault of one endpoint, with its start and end in seconds of the run. */
export interface ScheduledFault {
  readonly on: string;
  readonly fault: Fault;
  readonly fromS: number;
  readonly toS: number;
}

/** How an attempt ended from the provider's point of view. */
export type AttemptOutcome =
  | 'answered'
  /** A malformed answer with status 200. */
  | 'bad_answer'
  /** A 429 because the caller exceeded a limit. */
  | 'over_limit'
  /** A 429 of the storm429 fault. */
  | 'storm'
  | 'error'
  /** The caller aborted before the first token. */
  | 'left_early'
  /** The caller aborted in the middle of the answer. */
  | 'left_midway'
  | 'unfinished';

/** Callbacks for the caller of an attempt. None is called after `failed`, `reset`, `finished` or an abort. */
export interface AttemptEvents {
  failed(plan: ErrorPlan): void;
  /** The connection was closed before an answer. */
  reset(): void;
  /** `tokens` tokens of the answer have been generated so far; first called at the first token. */
  progress(tokens: number, plan: AnswerPlan): void;
  finished(plan: AnswerPlan): void;
}

/** Minimum number of chunks of an answer after the first token. Small, to keep a simulation fast. */
const MIN_CHUNKS = 3;
/** Maximum gap between two chunks, in milliseconds. A real stream, however slow, does not stall between two tokens. */
const MAX_GAP_MS = 4_000;

/** A simulated provider of a run. */
export interface ProviderOptions {
  readonly name: string;
  readonly model: string;
  readonly description: ModelDescription;
  /** Share of calls that fail while no fault is active. Default: the simulator's. */
  readonly errorShare?: number;
  /** Name of the group with which it shares a limit. Default: none. */
  readonly group?: string;
}

/** The simulated provider behind one endpoint. It runs the plans of ProviderBehavior on timers, in virtual time. */
export class VirtualProvider {
  readonly name: string;
  readonly model: string;
  readonly ends: Record<AttemptOutcome, number> = {
    answered: 0,
    bad_answer: 0,
    over_limit: 0,
    storm: 0,
    error: 0,
    left_early: 0,
    left_midway: 0,
    unfinished: 0,
  };
  attempts = 0;
  readonly #behavior: ProviderBehavior;
  readonly #group: GroupLimit | undefined;

  constructor(options: ProviderOptions, seed: number, group?: GroupLimit) {
    this.#group = group;
    this.name = options.name;
    this.model = options.model;
    this.#behavior = new ProviderBehavior({
      models: { [options.model]: options.description },
      random: seededRandom(seed),
      ...(options.errorShare === undefined ? {} : { errorShare: options.errorShare }),
    });
  }

  get usd(): number {
    return this.#behavior.counters.usd;
  }

  get tokens(): number {
    return this.#behavior.counters.promptTokens + this.#behavior.counters.outputTokens;
  }

  addFault(fault: Fault, forMs: number): void {
    this.#behavior.faults.add({ ...fault, forMs }, performance.now());
  }

  /** Starts an attempt. Returns a function that aborts it, and does nothing once the attempt has ended. */
  startAttempt(call: WorkCall, events: AttemptEvents): () => void {
    const startedAt = performance.now();
    this.attempts++;
    this.ends.unfinished++;
    const refusal = this.#group?.admit(call, startedAt);
    if (refusal) return this.#refuse(refusal, events);
    const activeCall = this.#behavior.admit(
      {
        model: this.model,
        promptTokens: call.promptTokens,
        maxTokens: call.maxTokens,
        outputTokens: call.outputTokens,
      },
      startedAt,
    );
    const { plan } = activeCall;
    const attempt = new Attempt(this, this.#behavior, activeCall, startedAt, this.#group);
    if (plan.kind === 'error') {
      attempt.schedule(plan.afterMs, () => {
        attempt.finish(plan.status === 429 ? kindOf429(plan) : 'error');
        events.failed(plan);
      });
    } else if (plan.kind === 'reset') {
      attempt.schedule(0, () => {
        attempt.finish('error');
        events.reset();
      });
    } else if (plan.kind === 'answer') {
      if (plan.damage) attempt.schedule(plan.totalMs, () => attempt.finishWith(plan, events));
      else attempt.schedule(plan.firstTokenMs, () => attempt.stream(plan, 1, events));
    }
    return () => attempt.abandon();
  }

  #refuse(plan: ErrorPlan, events: AttemptEvents): () => void {
    this.ends.unfinished--;
    this.ends.over_limit++;
    const timer = setTimeout(() => events.failed(plan), plan.afterMs);
    return () => clearTimeout(timer);
  }
}

class Attempt {
  readonly #provider: VirtualProvider;
  readonly #behavior: ProviderBehavior;
  readonly #activeCall: ActiveCall;
  readonly #startedAt: number;
  readonly #group: GroupLimit | undefined;
  #produced = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isFinished = false;

  constructor(
    provider: VirtualProvider,
    behavior: ProviderBehavior,
    call: ActiveCall,
    startedAt: number,
    group: GroupLimit | undefined,
  ) {
    this.#group = group;
    this.#provider = provider;
    this.#behavior = behavior;
    this.#activeCall = call;
    this.#startedAt = startedAt;
  }

  /** Runs `step` at `ms` milliseconds after the attempt's start, unless the attempt is abandoned by then. */
  schedule(ms: number, step: () => void): void {
    const left = this.#startedAt + ms - performance.now();
    this.#timer = setTimeout(step, left);
  }

  stream(plan: AnswerPlan, chunk: number, events: AttemptEvents): void {
    const tokens = Math.max(1, tokensAt(plan, performance.now() - this.#startedAt));
    this.#behavior.recordOutput(this.#activeCall, tokens, performance.now());
    this.#group?.recordOutput(tokens - this.#produced, performance.now());
    this.#produced = tokens;
    events.progress(tokens, plan);
    if (this.#isFinished) return;
    const durationMs = plan.totalMs - plan.firstTokenMs;
    const chunks = Math.max(MIN_CHUNKS, Math.ceil(durationMs / MAX_GAP_MS) - 1);
    if (chunk > chunks) {
      this.schedule(plan.totalMs, () => this.finishWith(plan, events));
      return;
    }
    const next = plan.firstTokenMs + (durationMs * chunk) / (chunks + 1);
    this.schedule(next, () => this.stream(plan, chunk + 1, events));
  }

  /** Ends the attempt with the whole answer, which is malformed if the plan says so. */
  finishWith(plan: AnswerPlan, events: AttemptEvents): void {
    this.finish(plan.damage ? 'bad_answer' : 'answered');
    events.finished(plan);
  }

  finish(recordOutcome: AttemptOutcome): void {
    this.#end(recordOutcome);
    this.#behavior.finish(this.#activeCall, performance.now());
  }

  abandon(): void {
    if (this.#isFinished) return;
    clearTimeout(this.#timer);
    const { plan } = this.#activeCall;
    const tokens = plan.kind === 'answer' ? tokensAt(plan, performance.now() - this.#startedAt) : 0;
    this.#end(tokens > 0 ? 'left_midway' : 'left_early');
    this.#behavior.abandon(this.#activeCall, tokens, performance.now());
  }

  #end(end: AttemptOutcome): void {
    this.#isFinished = true;
    this.#provider.ends.unfinished--;
    this.#provider.ends[end]++;
  }
}

/** Returns why a call got a 429. Only a refusal for an exceeded limit names the limit in its message. */
function kindOf429(plan: ErrorPlan): AttemptOutcome {
  return /\bLimit \d/.test(plan.message) ? 'over_limit' : 'storm';
}
