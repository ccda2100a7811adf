import type { Call } from '../call/call';
import type { FailureClass } from '../failure/classes';
import { BoundedMap } from '../util/bounded-map';
import { hashShare } from '../util/hash-share';
import { Comparison, type Metric } from './comparison';
import type { CanaryEvent, CanaryStats, ResolvedCanary } from './options';

/** Maximum number of answered calls whose score the app can still report. */
const MAX_SCORED = 10_000;

const WORSE: Record<Metric, string> = {
  errors: 'its attempts fail more often than those of the others',
  p95: 'its slowest attempts take longer than is allowed beside the others',
  cost: 'its calls cost more than is allowed beside the others',
  score: 'its answers are scored worse than those of the others',
};

/**
 * Failure classes that don't count as failures in the comparison, because the caller is at fault or a limit was
 * reached.
 */
const NO_FAULT: ReadonlySet<FailureClass> = new Set<FailureClass>([
  'aborted',
  'bad_request',
  'content_policy',
  'context_window',
  'too_large',
  'rate_limited',
]);

export type Side = 'canary' | 'others';

type State =
  | { readonly kind: 'testing' }
  | { readonly kind: 'promoted' | 'rolled-back'; readonly reason: string };

/** Identifies the endpoint of an attempt or answer. */
export interface CanaryEndpoint {
  readonly name: string;
  readonly model: string;
}

/** Tries a model or endpoint on a share of the calls, and rolls it back if it is worse than the others. */
export class Canary {
  readonly #options: ResolvedCanary;
  readonly #served: ReadonlySet<string> | undefined;
  readonly #onEvent: (event: CanaryEvent) => void;
  readonly #comparison: Comparison;
  readonly #sides = new WeakMap<Call, Side | 'none'>();
  readonly #attempted = new WeakSet<Call>();
  readonly #scored = new BoundedMap<string, Side>(MAX_SCORED);
  readonly #counts = { calls: 0, failures: 0, otherCalls: 0, otherFailures: 0 };
  #state: State = { kind: 'testing' };

  /** @param served The model and aliases of the canary endpoint; undefined if the canary is a model. */
  constructor(
    options: ResolvedCanary,
    served: ReadonlySet<string> | undefined,
    onEvent: (event: CanaryEvent) => void,
  ) {
    this.#options = options;
    this.#served = served;
    this.#onEvent = onEvent;
    this.#comparison = new Comparison(options.guard);
  }

  get name(): string {
    return this.#options.model ?? this.#options.endpoint ?? '';
  }

  /** Returns which side a call belongs to, the same for the whole call; undefined if the call takes no part. */
  sideOf(call: Call): Side | undefined {
    let side = this.#sides.get(call);
    if (side === undefined) {
      side = this.#assign(call);
      this.#sides.set(call, side);
    }
    return side === 'none' ? undefined : side;
  }

  has({ name, model }: CanaryEndpoint): boolean {
    return this.#options.model === undefined
      ? name === this.#options.endpoint
      : model === this.#options.model;
  }

  /**
   * Counts an ended attempt. Only the first attempt of each call is compared, because later attempts of both sides may
   * go to the same endpoints.
   */
  attempted(call: Call, isCanary: boolean, failure: FailureClass | undefined, ms: number): void {
    const side = this.sideOf(call);
    if (side === undefined || this.#state.kind !== 'testing') return;
    if ((side === 'canary') !== isCanary || this.#attempted.has(call)) return;
    if (failure !== undefined && NO_FAULT.has(failure)) return;
    this.#attempted.add(call);
    const hasFailed = failure !== undefined;
    const counts = this.#counts;
    if (isCanary) counts.calls++;
    else counts.otherCalls++;
    if (hasFailed && isCanary) counts.failures++;
    else if (hasFailed) counts.otherFailures++;
    this.#comparison.addOutcome(isCanary, hasFailed);
    if (!hasFailed) this.#comparison.addDuration(isCanary, ms);
    this.#check();
  }

  /** Counts an additional failure for a stream that broke off after it had begun. */
  brokeOff(call: Call, isCanary: boolean): void {
    const side = this.sideOf(call);
    if (side === undefined || (side === 'canary') !== isCanary || this.#state.kind !== 'testing') return;
    if (isCanary) this.#counts.failures++;
    else this.#counts.otherFailures++;
    this.#comparison.addOutcome(isCanary, true);
    this.#check();
  }

  /** Records an answered call: its cost is compared, and the app can score it. */
  answered(call: Call, isCanary: boolean, costUsd: number | undefined): void {
    const side = this.sideOf(call);
    if (side === undefined || (side === 'canary') !== isCanary) return;
    this.#scored.set(call.context.requestId, side);
    if (this.#state.kind !== 'testing' || costUsd === undefined) return;
    this.#comparison.addCost(isCanary, costUsd);
    this.#check();
  }

  /**
   * Records the app's score of an answer, from 0 to 1. Returns false if the call takes no part, has been scored before,
   * or is no longer remembered.
   */
  score(requestId: string, value: number): boolean {
    const side = this.#scored.get(requestId);
    if (side === undefined) return false;
    this.#scored.delete(requestId);
    if (this.#state.kind === 'testing') {
      this.#comparison.addScore(side === 'canary', value);
      this.#check();
    }
    return true;
  }

  promote(): void {
    this.#end('promoted', 'promoted by the app');
  }

  rollBack(reason = 'rolled back by the app'): void {
    this.#end('rolled-back', reason);
  }

  stats(): CanaryStats {
    const { kind } = this.#state;
    const reason = this.#state.kind === 'testing' ? {} : { reason: this.#state.reason };
    return { name: this.name, state: kind, ...reason, ...this.#counts };
  }

  #assign(call: Call): Side | 'none' {
    const { model, replaces, share } = this.#options;
    const { session, tenant, requestId } = call.context;
    if (call.endpoint !== undefined || (replaces !== undefined && call.model !== replaces)) return 'none';
    // A call that names the new model gets it in any case, and embeddings never change their model.
    if (model !== undefined && (call.model === model || call.operation !== 'chat')) return 'none';
    if (call.model !== undefined && this.#served?.has(call.model) === false) return 'none';
    if (this.#state.kind !== 'testing') return this.#state.kind === 'promoted' ? 'canary' : 'others';
    return hashShare(`${this.name} ${session ?? tenant ?? requestId}`) < share ? 'canary' : 'others';
  }

  #check(): void {
    const worse = this.#comparison.worse;
    if (worse) this.rollBack(WORSE[worse]);
  }

  #end(kind: 'promoted' | 'rolled-back', reason: string): void {
    if (this.#state.kind === kind) return;
    this.#state = { kind, reason };
    this.#onEvent({ ...this.stats(), reason });
  }
}
