import { type Call, remainingMs } from '../call/call';
import type { Endpoint, EndpointSlot } from '../endpoint/endpoint';
import { type FailureDetail, ruleFor } from '../failure/detail';
import type { StreamedAnswer } from '../http/exchange';
import { UpstreamFailure } from '../http/upstream-failure';
import { type Option, optionsOf, type Plan } from '../routing/plan';
import { attemptLimitMs } from './attempt-limit';
import { abortedError } from './backoff';
import { callerError, contextWindowError, deadlineError } from './call-errors';
import { addFailure, type CallState, currentPlan, type ExecutorParts } from './call-state';
import { FailureEvidence } from './evidence';
import { type AttemptResult, RunningAttempt, resultWithin, type Send } from './running-attempt';
import type { SlotAcquirer } from './slot-acquirer';

/** Retries after a stale keep-alive socket that don't count; further ones count as connection failures. */
const STALE_RETRIES = 2;
/** A reused socket that is reset later than this was not stale: the upstream had received the request. */
const STALE_WITHIN_MS = 500;

/** A recorded failure; without a detail where it doesn't count. */
interface RecordedFailure {
  readonly endpoint: Endpoint;
  readonly detail: FailureDetail | undefined;
}

/** Runs the attempts of a call, in sequence or hedged, until one succeeds or nothing is left to try. */
export class Attempts {
  readonly #parts: ExecutorParts;
  readonly #acquirer: SlotAcquirer;
  readonly #evidence = new FailureEvidence();

  constructor(parts: ExecutorParts, acquirer: SlotAcquirer) {
    this.#parts = parts;
    this.#acquirer = acquirer;
  }

  /**
   * @throws AiBalancerError, or an error of the app's own callbacks.
   * @param firstSlot The slot of the first attempt, where the call already has one.
   */
  async run<T>(
    state: CallState,
    send: Send<T>,
    firstSlot?: EndpointSlot,
  ): Promise<{ slot: EndpointSlot; value: T }> {
    for (let availableSlot = firstSlot; ; availableSlot = undefined) {
      const acquired = availableSlot ?? (await this.#acquirer.acquire(state));
      const slot = acquired.isConfirmed ? acquired : await this.#acquirer.confirmed(state, acquired);
      const first = this.#startFirst(state, slot, send);
      const results = await this.#runWithHedge(state, first, send);
      const failures = this.#recordFailures(state, results);
      const winner = results.find((result) => result.ok);
      if (winner) return { slot: winner.attempt.slot, value: winner.value };
      for (const { endpoint, detail } of failures) this.restrictAfter(state, endpoint, detail);
      this.checkDeadline(state);
    }
  }

  /** Frees the slot where the attempt can't start: a reload may have left the call no endpoint. */
  #startFirst<T>(state: CallState, slot: EndpointSlot, send: Send<T>): RunningAttempt<T> {
    try {
      return this.#start(state, slot, send, false);
    } catch (error) {
      slot.abort(false);
      throw error;
    }
  }

  #startHedge<T>(state: CallState, slot: EndpointSlot, send: Send<T>): RunningAttempt<T> | undefined {
    try {
      return this.#start(state, slot, send, true);
    } catch {
      slot.abort(false);
      return undefined;
    }
  }

  #start<T>(state: CallState, slot: EndpointSlot, send: Send<T>, hedge: boolean): RunningAttempt<T> {
    const { call } = state;
    const alternativeMs = this.#alternativeMs(state, slot.endpoint);
    const limitMs = attemptLimitMs(call, slot.endpoint, alternativeMs);
    const { maxResponseBytes } = this.#parts.routes();
    return new RunningAttempt(slot, hedge, call.signal, (signal) =>
      send(slot, { limitMs, maxResponseBytes, signal, alternativeMs }),
    );
  }

  /**
   * Runs an attempt, and a hedge beside it where it shows no content for too long: the first answer wins. Resolves with
   * the winner, or with all failures.
   */
  async #runWithHedge<T>(
    state: CallState,
    first: RunningAttempt<T>,
    send: Send<T>,
  ): Promise<AttemptResult<T>[]> {
    const delayMs = this.#parts.hedge.delayMs(state.call, first.slot.endpoint);
    const ended = delayMs === undefined ? await first.result : await resultWithin(first, delayMs);
    if (ended !== 'late') return [this.#recordSuccess(state, ended)];
    const slot = this.#acquirer.acquireHedge(state, first.slot.endpoint, this.#parts.hedge);
    if (!slot) return [this.#recordSuccess(state, await first.result)];
    const second = this.#startHedge(state, slot, send);
    if (!second) return [this.#recordSuccess(state, await first.result)];
    const firstResult = await Promise.race([first.result, second.result]);
    const other = firstResult.attempt === first ? second : first;
    if (!firstResult.ok) return [firstResult, this.#recordSuccess(state, await other.result)];
    other.cancel();
    // The winner doesn't wait for the loser to end.
    void other.result.then((lostResult) => this.#recordHedgeLoser(state, lostResult));
    return [this.#recordSuccess(state, firstResult)];
  }

  /** Records a success. */
  #recordSuccess<T>(state: CallState, ended: AttemptResult<T>): AttemptResult<T> {
    if (!ended.ok) return ended;
    const { slot, isHedge } = ended.attempt;
    this.#evidence.recordServed(slot.endpoint, state.call, state.evidence);
    state.recorder.recordServedBy(slot.endpoint);
    state.recorder.recordAttempt(slot.endpoint, slot.startedAt, undefined, isHedge);
    this.#parts.onAttempt(state.call, slot.endpoint, undefined);
    return ended;
  }

  /** Records the attempt that lost: its tokens are wasted, and it doesn't count against its endpoint. */
  #recordHedgeLoser<T>({ call, recorder }: CallState, ended: AttemptResult<T>): void {
    const { slot, isHedge } = ended.attempt;
    slot.abort(true);
    recorder.recordHedgeLoser(slot, call.promptTokens, isHedge);
    // It was answered too, a moment later.
    if (ended.ok) abortIfStream(ended.value);
  }

  #recordFailures<T>(state: CallState, ends: readonly AttemptResult<T>[]): RecordedFailure[] {
    try {
      return ends.flatMap((ended) => (ended.ok ? [] : [this.#recordFailure(state, ended)]));
    } catch (error) {
      // The call is over: all of its attempts free their slots.
      for (const ended of ends) {
        ended.attempt.slot.abort(true);
        if (ended.ok) abortIfStream(ended.value);
      }
      throw error;
    }
  }

  /** Records a failure. Throws where the call itself is over. */
  #recordFailure<T>(state: CallState, { error, attempt }: AttemptResult<T> & { ok: false }): RecordedFailure {
    const { call, recorder } = state;
    const { slot, isHedge } = attempt;
    const { endpoint } = slot;
    if (!(error instanceof UpstreamFailure)) {
      slot.abort(true);
      throw error;
    }
    const { detail } = error;
    if (detail.class === 'aborted') {
      slot.abort(true);
      recorder.recordAborted(slot, call.promptTokens, isHedge);
      throw abortedError();
    }
    if (isStaleSocket(slot, error) && state.staleRetries < STALE_RETRIES) {
      state.staleRetries++;
      slot.abort(false);
      return { endpoint, detail: undefined };
    }
    if (error instanceof TooSlowError) slot.abort(true);
    else this.#evidence.fail(slot, error, call, state.evidence);
    recorder.recordAttempt(endpoint, slot.startedAt, detail, isHedge);
    recorder.wastedTokens += wastedTokens(call, detail);
    this.#parts.onAttempt(call, endpoint, detail);
    addFailure(state, endpoint, detail, this.#parts.routes().retry);
    return { endpoint, detail };
  }

  /** @throws ERR_AI_DEADLINE once the deadline has passed. */
  checkDeadline({ call, recorder }: CallState): void {
    if (remainingMs(call, performance.now()) <= 0) throw deadlineError(recorder);
  }

  /** Restricts the call to the endpoints that its last failure allows; throws where there are none. */
  restrictAfter(state: CallState, endpoint: Endpoint, detail: FailureDetail | undefined): void {
    if (!detail) return;
    const { recorder } = state;
    const { otherEndpoint: another } = ruleFor(detail);
    if (another === 'never') {
      if (!this.#isFallbackRefusal(state, endpoint, detail)) throw callerError(detail, recorder);
      state.refusal = detail;
      return;
    }
    if (another === 'larger-window') {
      state.contextWindowAbove = endpoint.settings.contextWindow;
      if (isEmpty(this.#replan(state))) throw contextWindowError(detail, recorder);
    }
    if (another === 'content-policy-list') {
      const lists = this.#parts.routes().contentPolicyFallbacks;
      state.models = lists.get(endpoint.settings.model) ?? lists.get('*');
      if (state.models === undefined || !this.#hasOption(state, ({ name }) => !state.failedAt.has(name)))
        throw callerError(detail, recorder);
    }
  }

  /**
   * Whether a fallback model has refused what the requested model may accept: then only endpoints of the requested one,
   * which were not available before, may still serve the call.
   */
  #isFallbackRefusal(state: CallState, endpoint: Endpoint, detail: FailureDetail): boolean {
    const { model } = state.call;
    const { settings } = endpoint;
    if (detail.class !== 'bad_request' || model === undefined) return false;
    if (settings.model === model || settings.aliases.includes(model)) return false;
    state.models = [model];
    return this.#hasOption(state, ({ name }) => state.failedAt.get(name)?.againAt !== Infinity);
  }

  #hasOption(state: CallState, isUsable: (endpoint: Endpoint) => boolean): boolean {
    try {
      return optionsOf(this.#replan(state)).some(({ endpoint }) => isUsable(endpoint));
    } catch {
      // The filters leave no endpoint: the refusal is the answer.
      return false;
    }
  }

  /** None after a reload that dropped the model: the call in flight finishes without an alternative. */
  #optionsLeft(state: CallState): readonly Option[] {
    try {
      return optionsOf(currentPlan(state, this.#parts.routes()));
    } catch {
      return [];
    }
  }

  #replan(state: CallState): Plan {
    state.plan = undefined;
    return currentPlan(state, this.#parts.routes());
  }

  /** The shortest predicted time of another healthy endpoint that has not failed this call; Infinity without one. */
  #alternativeMs(state: CallState, current: Endpoint): number {
    const now = performance.now();
    let least = Infinity;
    for (const { endpoint } of this.#optionsLeft(state)) {
      if (endpoint === current || endpoint.weight === 0 || state.failedAt.has(endpoint.name)) continue;
      if (endpoint.state(now) === 'closed')
        least = Math.min(least, endpoint.predictLatency(state.call, now).totalMs);
    }
    return least;
  }
}

/** A stream whose first content came too late. It doesn't count against the endpoint: slowness is no failure. */
export class TooSlowError extends UpstreamFailure {
  constructor() {
    super(
      {
        class: 'timeout',
        message: 'its first token came too late for the answer to finish before the deadline',
      },
      true,
    );
  }
}

function isStaleSocket(
  { startedAt }: EndpointSlot,
  { detail, isAnswered: answered }: UpstreamFailure,
): boolean {
  return detail.staleSocket === true && !answered && performance.now() - startedAt < STALE_WITHIN_MS;
}

function abortIfStream(value: unknown): void {
  (value as Partial<StreamedAnswer>).abort?.();
}

function isEmpty(plan: Plan): boolean {
  return plan.stages.every((stage) => stage.length === 0);
}

/** Estimated tokens that the upstream may bill for a failed attempt. */
function wastedTokens(call: Call, { class: failure }: FailureDetail): number {
  return failure === 'server' || failure === 'timeout' || failure === 'bad_answer' ? call.promptTokens : 0;
}
