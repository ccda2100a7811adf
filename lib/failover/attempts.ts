import { type Call, remainingMs } from '../call/call';
import { LinkedAbort } from '../call/linked-abort';
import type { Endpoint, EndpointSlot } from '../endpoint/endpoint';
import type { FailureDetail } from '../failure/detail';
import { UpstreamFailure } from '../http/upstream-failure';
import { within } from '../util/timers';
import { Alternative } from './alternative';
import { attemptLimit, probeLimitMs } from './attempt-limit';
import { abortedError, deadlineError } from './call-errors';
import {
  addFailure,
  type CallState,
  type EndpointFault,
  type ExecutorParts,
  restrictAfter,
} from './call-state';
import { FailureEvidence } from './evidence';
import { Probe } from './probe';
import type { AttemptResult, FailedResult, GoodResult, RunningAttempt, Send, Sent } from './running-attempt';
import type { SlotAcquirer } from './slot-acquirer';

/** The most retries of a call after stale keep-alive sockets. Further resets count as connection failures. */
const STALE_RETRIES = 2;
/** A reused socket that is reset later in an attempt, in milliseconds, had received the request: it was not stale. */
const STALE_WITHIN_MS = 500;

/** Runs the attempts of a call, in sequence or hedged, until one succeeds or nothing is left to try. */
export class Attempts {
  readonly #parts: ExecutorParts;
  readonly #acquirer: SlotAcquirer;
  readonly #evidence = new FailureEvidence();
  readonly #probes = new Set<{ cancel(): void }>();

  constructor(parts: ExecutorParts, acquirer: SlotAcquirer) {
    this.#parts = parts;
    this.#acquirer = acquirer;
  }

  /**
   * Makes attempts until one succeeds. Resolves to its answer and its slot, which the caller of this method must
   * settle.
   * @throws AiBalancerError, or the error of one of the app's callbacks.
   * @param firstSlot The slot of the first attempt, if the call already has one.
   */
  async run<T extends Sent>(
    state: CallState,
    send: Send<T>,
    firstSlot?: EndpointSlot,
  ): Promise<{ slot: EndpointSlot; value: T }> {
    let probe: Probe<T> | undefined;
    let winner: GoodResult<T> | undefined;
    try {
      for (let given = firstSlot; ; given = undefined) {
        const slot = given?.isConfirmed ? given : await this.#acquirer.acquire(state, given);
        const answered = probe?.answered;
        if (answered) slot.abort(false);
        const first = answered ? undefined : this.#start(state, slot, send, { isHedge: false });
        probe ??= this.#startProbe(state, slot.endpoint, send);
        const results = first
          ? await this.#runWithHedge(state, first, send, probe)
          : [answered as GoodResult<T>];
        const faults = this.#recordFailures(state, results);
        winner = results.find((result) => result.ok);
        if (winner) {
          this.#recordSuccess(state, winner);
          return winner;
        }
        this.restrict(state, faults);
      }
    } finally {
      probe?.leave(winner);
    }
  }

  /** Aborts all probes, also those that outlive the call that started them. */
  cancelProbes(): void {
    for (const probe of this.#probes) probe.cancel();
  }

  #start<T extends Sent>(
    state: CallState,
    slot: EndpointSlot,
    send: Send<T>,
    { isHedge, probeAbort }: { readonly isHedge: boolean; readonly probeAbort?: LinkedAbort },
  ): RunningAttempt<T> {
    const { call } = state;
    const alternative = new Alternative(state, this.#parts.routes, slot.endpoint);
    const limit = attemptLimit(call, slot.endpoint, alternative.expectedMs());
    slot.setTimeLimit(limit);
    const limitMs = probeAbort ? probeLimitMs(call, slot.endpoint, limit.ms) : limit.ms;
    const extensionMs = probeAbort ? undefined : (): number => alternative.extensionMs();
    const { maxResponseBytes } = this.#parts.routes();
    const abort = probeAbort ?? new LinkedAbort(call.signal);
    const options = { limitMs, extensionMs, maxResponseBytes, signal: abort, alternative };
    const result = send(slot, options).then(
      (value) => ({ ok: true, slot, isHedge, value }) as const,
      (error: unknown) => ({ ok: false, slot, isHedge, error }) as const,
    );
    return { slot, isHedge, abort, result };
  }

  /**
   * Starts a probe of an endpoint whose breaker is not closed, beside the first attempt of a call. Undefined if the
   * call has failed before or no endpoint may be probed.
   */
  #startProbe<T extends Sent>(state: CallState, beside: Endpoint, send: Send<T>): Probe<T> | undefined {
    if (state.failedAt.size > 0) return undefined;
    const slot = this.#acquirer.acquireProbe(state, beside);
    if (!slot) return undefined;
    const probe = new Probe<T>({
      slot,
      signal: state.call.signal,
      send: (probeAbort) => this.#start(state, slot, send, { isHedge: true, probeAbort }),
      onFailed: (result, isReported) => this.#recordFailedProbe(state, result, isReported),
      onLeft: () => this.#recordHedgeLoser(state, slot, true),
      onEnd: () => this.#probes.delete(probe),
    });
    this.#probes.add(probe);
    return probe;
  }

  /**
   * Runs an attempt, and a hedge beside it if no content arrives for too long. The first good answer wins, also the
   * probe's. Resolves to the results with the winner last, or to all failures.
   */
  async #runWithHedge<T extends Sent>(
    state: CallState,
    first: RunningAttempt<T>,
    send: Send<T>,
    probe: Probe<T> | undefined,
  ): Promise<AttemptResult<T>[]> {
    const late = first.slot.endpoint;
    const delayMs = this.#parts.hedge.delayMs(state.call, late);
    if (delayMs === undefined) return this.#race(state, [first], probe);
    const early = await within(firstResult([first], probe), delayMs);
    if (early) return early.slot === first.slot ? [early] : this.#race(state, [first], probe);
    const slot = this.#acquirer.acquireHedge(state, late);
    if (!slot) return this.#race(state, [first], probe);
    const hedge = this.#start(state, slot, send, { isHedge: true });
    const results = await this.#race(state, [first, hedge], probe);
    const won = results.some((result) => result.ok && result.slot === slot);
    this.#parts.onHedge(state.call, { late, hedge: slot.endpoint, won });
    return results;
  }

  /** Resolves to the results, the first good answer last, and aborts the others; or resolves to all failures. */
  async #race<T extends Sent>(
    state: CallState,
    running: readonly RunningAttempt<T>[],
    probe: Probe<T> | undefined,
  ): Promise<AttemptResult<T>[]> {
    const failed: AttemptResult<T>[] = [];
    for (let left = running; left.length > 0; ) {
      const result = await firstResult(left, probe);
      left = left.filter(({ slot }) => slot !== result.slot);
      if (result.ok) {
        for (const lost of left) this.#endHedgeLoser(state, lost);
        return [...failed, result];
      }
      failed.push(result);
    }
    return failed;
  }

  #recordSuccess(
    { call, recorder, evidence }: CallState,
    { slot, isHedge }: Pick<GoodResult<Sent>, 'slot' | 'isHedge'>,
  ): void {
    this.#evidence.recordServed(slot.endpoint, call, evidence);
    recorder.recordServedBy(slot.endpoint);
    this.#parts.onAttempt(call, slot.endpoint, recorder.recordAttempt(slot, undefined, isHedge));
  }

  /** Aborts an attempt that lost. Its tokens count as wasted, but it doesn't count against its endpoint. */
  #endHedgeLoser(state: CallState, { slot, isHedge, abort, result }: RunningAttempt<Sent>): void {
    abort.abort();
    slot.abort(true);
    this.#recordHedgeLoser(state, slot, isHedge);
    void result.then((lost) => {
      // The loser's stream may have started before the abort took effect.
      if (lost.ok) abortIfStream(lost.value);
    });
  }

  #recordHedgeLoser({ call, recorder }: CallState, slot: EndpointSlot, isHedge: boolean): void {
    this.#parts.onAttempt(call, slot.endpoint, recorder.recordHedgeLoser(slot, isHedge));
  }

  /** A failed probe does not count as a failed attempt of its call, which another endpoint serves. */
  #recordFailedProbe(state: CallState, { slot, error, isHedge }: FailedResult, isReported: boolean): void {
    const { call, recorder } = state;
    if (
      !(error instanceof UpstreamFailure) ||
      error instanceof TooSlowError ||
      error.detail.class === 'aborted'
    ) {
      slot.abort(true);
      if (!isReported) this.#recordHedgeLoser(state, slot, isHedge);
      return;
    }
    const { detail } = error;
    if (isStaleSocket(slot, error)) {
      slot.abort(false);
      return;
    }
    this.#evidence.fail(slot, error, call, state.evidence);
    if (isReported) return;
    recorder.addWaste(slot.endpoint, wastedTokens(call, detail));
    this.#parts.onAttempt(call, slot.endpoint, recorder.recordAttempt(slot, detail, isHedge));
  }

  #recordFailures<T extends Sent>(state: CallState, results: readonly AttemptResult<T>[]): EndpointFault[] {
    try {
      return results.flatMap((result) => (result.ok ? [] : this.#recordFailure(state, result)));
    } catch (error) {
      // The call is over: all of its attempts free their slots.
      for (const result of results) {
        result.slot.abort(true);
        if (result.ok) abortIfStream(result.value);
      }
      throw error;
    }
  }

  /**
   * Records a failed attempt and returns the endpoint's fault; an empty array after a stale socket, which doesn't
   * count. Throws if the call itself is over.
   */
  #recordFailure(state: CallState, { error, slot, isHedge }: FailedResult): EndpointFault[] {
    const { call, recorder } = state;
    const { endpoint } = slot;
    if (!(error instanceof UpstreamFailure)) throw error;
    const { detail } = error;
    if (detail.class === 'aborted') {
      slot.abort(true);
      this.#parts.onAttempt(call, endpoint, recorder.recordAborted(slot, isHedge));
      throw abortedError();
    }
    if (isStaleSocket(slot, error) && state.staleRetries < STALE_RETRIES) {
      state.staleRetries++;
      slot.abort(false);
      return [];
    }
    if (error instanceof TooSlowError) slot.abort(true);
    else this.#evidence.fail(slot, error, call, state.evidence);
    recorder.addWaste(endpoint, wastedTokens(call, detail));
    this.#parts.onAttempt(call, endpoint, recorder.recordAttempt(slot, detail, isHedge));
    const fault = { endpoint, detail };
    addFailure(state, fault, this.#parts.routes().retry);
    return [fault];
  }

  /** Restricts the call to the endpoints that its failures allow. Throws if none is left or the deadline has passed. */
  restrict(state: CallState, faults: readonly EndpointFault[]): void {
    for (const fault of faults) restrictAfter(state, fault, this.#parts.routes());
    if (remainingMs(state.call, performance.now()) <= 0) throw deadlineError(state.recorder);
  }
}

/** A stream's first content came too late for the answer to end in time. The endpoint is slow, but hasn't failed. */
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

function isStaleSocket({ startedAt }: EndpointSlot, { detail, isAnswered }: UpstreamFailure): boolean {
  return detail.staleSocket === true && !isAnswered && performance.now() - startedAt < STALE_WITHIN_MS;
}

function abortIfStream(value: Sent): void {
  if ('sent' in value) value.sent.abort();
}

/** Resolves to the first result of the attempts, or to the probe's good answer; a failed probe is ignored. */
function firstResult<T extends Sent>(
  running: readonly RunningAttempt<T>[],
  probe: Probe<T> | undefined,
): Promise<AttemptResult<T>> {
  const [first] = running;
  if (first && running.length === 1 && !probe) return first.result;
  const results = running.map(({ result }) => result);
  return Promise.race(probe ? [probe.answer, ...results] : results);
}

/** Estimated tokens that the upstream may bill for a failed attempt. */
function wastedTokens(call: Call, { class: failure }: FailureDetail): number {
  return failure === 'server' || failure === 'timeout' || failure === 'bad_answer' ? call.promptTokens : 0;
}
