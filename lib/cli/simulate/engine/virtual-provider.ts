import {
  type AnswerPlan,
  type ErrorPlan,
  type Fault,
  type ModelDescription,
  type Passage,
  ProviderPhysics,
  seededRandom,
  tokensBy,
} from '../../../simulator/physics';
import type { GroupLimit } from './group-limit';
import type { WorkCall } from './workload';

/** A fault of one endpoint, in seconds of the run. */
export interface ScheduledFault {
  readonly on: string;
  readonly fault: Fault;
  readonly fromS: number;
  readonly toS: number;
}

/** How an attempt ended, as the provider saw it. */
export type AttemptOutcome =
  | 'answered'
  /** A 429 because the caller went over the limit by itself. */
  | 'over_limit'
  /** A 429 that was a fault. */
  | 'storm'
  | 'error'
  /** The caller left before the first token. */
  | 'left_early'
  /** The caller left in the middle of the answer. */
  | 'left_midway'
  | 'unfinished';

/** What a caller hears of its attempt. After `failed`, `ended` or `abandon()` nothing more comes. */
export interface AttemptEvents {
  failed(plan: ErrorPlan): void;
  /** The connection was cut before anything was said. */
  reset(): void;
  /** The first token, and later that many tokens so far. */
  progress(tokens: number, plan: AnswerPlan): void;
  finished(plan: AnswerPlan): void;
}

/** Pieces of an answer between the first token and its end: enough to be a stream, few enough to be cheap. */
const MIN_CHUNKS = 3;
/** But no longer gap than this, in milliseconds: a real stream, however slow, does not stall between two tokens. */
const MAX_GAP_MS = 4_000;

/** One upstream of a run. */
export interface ProviderOptions {
  readonly name: string;
  readonly model: string;
  readonly description: ModelDescription;
  /** Share of calls that fail with no fault on. Default: the simulator's. */
  readonly errorShare?: number;
  /** Shares a limit with the others of that group. */
  readonly group?: string;
}

/** One endpoint's upstream: the laws of the simulator, acted out on the timers of the (virtual) process. */
export class VirtualProvider {
  readonly name: string;
  readonly model: string;
  readonly ends: Record<AttemptOutcome, number> = {
    answered: 0,
    over_limit: 0,
    storm: 0,
    error: 0,
    left_early: 0,
    left_midway: 0,
    unfinished: 0,
  };
  attempts = 0;
  readonly #physics: ProviderPhysics;
  readonly #group: GroupLimit | undefined;

  constructor(options: ProviderOptions, seed: number, group?: GroupLimit) {
    this.#group = group;
    this.name = options.name;
    this.model = options.model;
    this.#physics = new ProviderPhysics({
      models: { [options.model]: options.description },
      random: seededRandom(seed),
      ...(options.errorShare === undefined ? {} : { errorShare: options.errorShare }),
    });
  }

  get usd(): number {
    return this.#physics.counters.usd;
  }

  get tokens(): number {
    return this.#physics.counters.promptTokens + this.#physics.counters.outputTokens;
  }

  addFault(fault: Fault, forMs: number): void {
    this.#physics.faults.add({ ...fault, forMs }, performance.now());
  }

  /** Sends a call. The function it gives back abandons the attempt; after its end that does nothing. */
  startAttempt(call: WorkCall, events: AttemptEvents): () => void {
    const startedAt = performance.now();
    this.attempts++;
    this.ends.unfinished++;
    const refusal = this.#group?.admit(call, startedAt);
    if (refusal) return this.#refuse(refusal, events);
    const passage = this.#physics.admit(
      {
        model: this.model,
        promptTokens: call.promptTokens,
        maxTokens: call.maxTokens,
        outputTokens: call.outputTokens,
      },
      startedAt,
    );
    const { plan } = passage;
    const attempt = new Attempt(this, this.#physics, passage, startedAt, this.#group);
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
      attempt.schedule(plan.firstTokenMs, () => attempt.stream(plan, 1, events));
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
  readonly #physics: ProviderPhysics;
  readonly #passage: Passage;
  readonly #startedAt: number;
  readonly #group: GroupLimit | undefined;
  #produced = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isFinished = false;

  constructor(
    provider: VirtualProvider,
    physics: ProviderPhysics,
    call: Passage,
    startedAt: number,
    group: GroupLimit | undefined,
  ) {
    this.#group = group;
    this.#provider = provider;
    this.#physics = physics;
    this.#passage = call;
    this.#startedAt = startedAt;
  }

  /** Runs the step that many ms after the attempt's start, unless it is over by then. */
  schedule(ms: number, step: () => void): void {
    const left = this.#startedAt + ms - performance.now();
    this.#timer = setTimeout(() => {
      if (!this.#isFinished) step();
    }, left);
  }

  stream(plan: AnswerPlan, chunk: number, events: AttemptEvents): void {
    const tokens = Math.max(1, tokensBy(plan, performance.now() - this.#startedAt));
    this.#physics.produced(this.#passage, tokens, performance.now());
    this.#group?.produced(tokens - this.#produced, performance.now());
    this.#produced = tokens;
    events.progress(tokens, plan);
    if (this.#isFinished) return;
    const durationMs = plan.totalMs - plan.firstTokenMs;
    const chunks = Math.max(MIN_CHUNKS, Math.ceil(durationMs / MAX_GAP_MS) - 1);
    if (chunk > chunks) {
      this.schedule(plan.totalMs, () => {
        this.finish('answered');
        events.finished(plan);
      });
      return;
    }
    const next = plan.firstTokenMs + (durationMs * chunk) / (chunks + 1);
    this.schedule(next, () => this.stream(plan, chunk + 1, events));
  }

  finish(recordOutcome: AttemptOutcome): void {
    this.#end(recordOutcome);
    this.#physics.finish(this.#passage, performance.now());
  }

  abandon(): void {
    if (this.#isFinished) return;
    clearTimeout(this.#timer);
    const { plan } = this.#passage;
    const tokens = plan.kind === 'answer' ? tokensBy(plan, performance.now() - this.#startedAt) : 0;
    this.#end(tokens > 0 ? 'left_midway' : 'left_early');
    this.#physics.abandon(this.#passage, tokens, performance.now());
  }

  #end(end: AttemptOutcome): void {
    this.#isFinished = true;
    this.#provider.ends.unfinished--;
    this.#provider.ends[end]++;
  }
}

/** The simulator's quota refusals say the limit that was met; those of a storm have none to say. */
function kindOf429(plan: ErrorPlan): AttemptOutcome {
  return /\bLimit \d/.test(plan.message) ? 'over_limit' : 'storm';
}
