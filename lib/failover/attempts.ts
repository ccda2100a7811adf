import { type Call, remainingMs } from '../call/call';
import { LinkedAbort } from '../call/linked-abort';
import type { Endpoint, EndpointSlot } from '../endpoint/endpoint';
import type { FailureDetail } from '../failure/detail';
import type { ExchangeOptions, StreamedAnswer } from '../http/exchange';
import { UpstreamFailure } from '../http/upstream-failure';
import { within } from '../util/timers';
import { attemptLimitMs } from './attempt-limit';
import { abortedError, deadlineError } from './call-errors';
import {
  addFailure,
  type CallState,
  type EndpointFault,
  type ExecutorParts,
  optionsLeft,
  restrictAfter,
} from './call-state';
import { FailureEvidence } from './evidence';
import type { SlotAcquirer } from './slot-acquirer';

/** Retries after a stale keep-alive socket that don't count; further ones count as connection failures. */
const STALE_RETRIES = 2;
/** A reused socket that is reset later than this was not stale: the upstream had received the request. */
const STALE_WITHIN_MS = 500;

export interface SendOptions extends ExchangeOptions {
  /** The shortest predicted time of another endpoint; Infinity where there is none. */
  readonly alternativeMs: number;
}

export type Send<T> = (slot: EndpointSlot, options: SendOptions) => Promise<T>;

/** One attempt in flight. Aborting it leaves the call's other attempt alone. */
interface RunningAttempt<T> {
  readonly slot: EndpointSlot;
  readonly abort: LinkedAbort;
  /** Never rejects. */
  readonly result: Promise<AttemptResult<T>>;
}

type AttemptResult<T> = { readonly slot: EndpointSlot; readonly isHedge: boolean } & (
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: unknown }
);

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
    for (let given = firstSlot; ; given = undefined) {
      const slot = given?.isConfirmed ? given : await this.#acquirer.acquire(state, given);
      const results = await this.#runWithHedge(state, this.#start(state, slot, send, false), send);
      const faults = this.#recordFailures(state, results);
      const winner = results.find((result) => result.ok);
      if (winner) {
        this.#recordSuccess(state, winner);
        return winner;
      }
      this.restrict(state, faults);
    }
  }

  #start<T>(state: CallState, slot: EndpointSlot, send: Send<T>, isHedge: boolean): RunningAttempt<T> {
    const { call } = state;
    const alternativeMs = this.#alternativeMs(state, slot.endpoint);
    const limitMs = attemptLimitMs(call, slot.endpoint, alternativeMs);
    const { maxResponseBytes } = this.#parts.routes();
    const abort = new LinkedAbort(call.signal);
    const result = send(slot, { limitMs, maxResponseBytes, signal: abort, alternativeMs }).then(
      (value) => ({ ok: true, slot, isHedge, value }) as const,
      (error: unknown) => ({ ok: false, slot, isHedge, error }) as const,
    );
    return { slot, abort, result };
  }

  /**
   * Runs an attempt, and a hedge beside it where it shows no content for too long: the first answer wins. Resolves with
   * the winner last, or with all failures.
   */
  async #runWithHedge<T>(
    state: CallState,
    first: RunningAttempt<T>,
    send: Send<T>,
  ): Promise<AttemptResult<T>[]> {
    const { hedge } = this.#parts;
    const delayMs = hedge.delayMs(state.call, first.slot.endpoint);
    const ended = delayMs === undefined ? undefined : await within(first.result, delayMs);
    const hedgeSlot =
      delayMs === undefined || ended
        ? undefined
        : this.#acquirer.acquireHedge(state, first.slot.endpoint, hedge);
    if (!hedgeSlot) return [ended ?? (await first.result)];
    const second = this.#start(state, hedgeSlot, send, true);
    const firstResult = await Promise.race([first.result, second.result]);
    const other = firstResult.slot === hedgeSlot ? first : second;
    const hedged = (won: boolean): void =>
      this.#parts.onHedge(state.call, { late: first.slot.endpoint, hedge: hedgeSlot.endpoint, won });
    if (!firstResult.ok) {
      const otherResult = await other.result;
      hedged(otherResult.ok && other === second);
      return [firstResult, otherResult];
    }
    hedged(other === first);
    other.abort.abort();
    // The winner doesn't wait for the loser to end.
    void other.result.then((lostResult) => this.#recordHedgeLoser(state, lostResult));
    return [firstResult];
  }

  #recordSuccess<T>({ call, recorder, evidence }: CallState, { slot, isHedge }: AttemptResult<T>): void {
    this.#evidence.recordServed(slot.endpoint, call, evidence);
    recorder.recordServedBy(slot.endpoint);
    this.#parts.onAttempt(call, slot.endpoint, recorder.recordAttempt(slot, undefined, isHedge));
  }

  /** Records the attempt that lost: its tokens are wasted, and it doesn't count against its endpoint. */
  #recordHedgeLoser<T>({ call, recorder }: CallState, lost: AttemptResult<T>): void {
    lost.slot.abort(true);
    this.#parts.onAttempt(call, lost.slot.endpoint, recorder.recordHedgeLoser(lost.slot, lost.isHedge));
    // It was answered too, a moment later.
    if (lost.ok) abortIfStream(lost.value);
  }

  #recordFailures<T>(state: CallState, results: readonly AttemptResult<T>[]): EndpointFault[] {
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

  /** Records a failure; returns none where it doesn't count. Throws where the call itself is over. */
  #recordFailure<T>(
    state: CallState,
    { error, slot, isHedge }: AttemptResult<T> & { ok: false },
  ): EndpointFault[] {
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

  /** Restricts the call to the endpoints that its failures allow. Throws where there are none or no time is left. */
  restrict(state: CallState, faults: readonly EndpointFault[]): void {
    for (const fault of faults) restrictAfter(state, fault, this.#parts.routes());
    if (remainingMs(state.call, performance.now()) <= 0) throw deadlineError(state.recorder);
  }

  /** The shortest predicted time of another healthy endpoint that has not failed this call; Infinity without one. */
  #alternativeMs(state: CallState, current: Endpoint): number {
    const now = performance.now();
    let least = Infinity;
    for (const { endpoint } of optionsLeft(state, this.#parts.routes())) {
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

function isStaleSocket({ startedAt }: EndpointSlot, { detail, isAnswered }: UpstreamFailure): boolean {
  return detail.staleSocket === true && !isAnswered && performance.now() - startedAt < STALE_WITHIN_MS;
}

function abortIfStream(value: unknown): void {
  (value as { readonly sent?: StreamedAnswer }).sent?.abort();
}

/** Estimated tokens that the upstream may bill for a failed attempt. */
function wastedTokens(call: Call, { class: failure }: FailureDetail): number {
  return failure === 'server' || failure === 'timeout' || failure === 'bad_answer' ? call.promptTokens : 0;
}
