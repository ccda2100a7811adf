import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { Call } from '../call/call';
import type { Endpoint, EndpointSlot } from '../endpoint/endpoint';
import { AiBalancerError } from '../errors';
import type { FailureDetail } from '../failure/detail';
import type { StreamedAnswer, WholeAnswer } from '../http/exchange';
import type { RouteReport } from '../route-report';
import { isTooSlowToFinish } from './attempt-limit';
import { Attempts, TooSlowError } from './attempts';
import { withRoute } from './call-errors';
import { addFailure, type CallState, type ExecutorParts } from './call-state';
import type { RouteRecorder } from './route-recorder';
import type { Send } from './running-attempt';
import { SlotAcquirer } from './slot-acquirer';
import type { AdmissionHandlers, Caller } from './waiting-call';

/** The result of a whole call. A failed call has a route too where it used something that must be paid for. */
export type WholeResult =
  | { readonly ok: true; readonly data: ChatCompletion | EmbeddingResponse; readonly route: RouteReport }
  | { readonly ok: false; readonly error: unknown; readonly route: RouteReport | undefined };

/** The owner of a whole call. */
export interface WholeCaller extends Caller {
  /** Called exactly once. */
  onEnd(result: WholeResult): void;
}

/** The first content of a streamed call, or the error that came before it. */
export type StreamStart =
  | { readonly ok: true; readonly result: StreamResult }
  | { readonly ok: false; readonly error: unknown };

/** The owner of a streamed call. */
export interface StreamCaller extends Caller {
  /** Called exactly once. */
  onStart(start: StreamStart): void;
}

/** A stream that has shown its first content. Its slot is still open: the stream session ends it. */
export interface StreamResult {
  readonly sent: StreamedAnswer;
  readonly slot: EndpointSlot;
  readonly recorder: RouteRecorder;
  readonly state: CallState;
  /** Whether it continues the text of the stream before it. */
  readonly continued: boolean;
}

/** The call to send to an endpoint: the caller's, or the continuation of a stream that broke off. */
export type RequestFor = (endpoint: Endpoint) => { readonly call: Call; readonly continued: boolean };

/** The endpoint that broke a stream off, and why. */
export interface StreamBreak {
  readonly endpoint: Endpoint;
  readonly detail: FailureDetail;
}

/** A stream that has shown its first content. */
interface OpenedStream extends Pick<StreamResult, 'sent' | 'continued'> {
  abort(): void;
}

/** Runs calls: acquires slots and makes attempts until one succeeds or nothing is left to try. */
export class Executor {
  readonly #parts: ExecutorParts;
  readonly #acquirer: SlotAcquirer;
  readonly #attempts: Attempts;

  readonly #wholeCallbacks: AdmissionHandlers<WholeCaller> = {
    admitted: (caller, state, place) =>
      void this.#completeWhole(state, place).then((end) => caller.onEnd(end)),
    refused: (caller, state, error) =>
      caller.onEnd({ ok: false, error: this.#refusal(state, error), route: state.recorder.report() }),
  };
  readonly #streamCallbacks: AdmissionHandlers<StreamCaller> = {
    admitted: (caller, state, place) =>
      void this.#startStream(state, place).then((end) => caller.onStart(end)),
    refused: (caller, state, error) => caller.onStart({ ok: false, error: this.#refusal(state, error) }),
  };

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
    this.#acquirer = new SlotAcquirer(parts);
    this.#attempts = new Attempts(parts, this.#acquirer);
  }

  /** Runs a call that is answered whole. No async frame waits with it in the queue. */
  runWhole(caller: WholeCaller): void {
    this.#start(caller, this.#wholeCallbacks);
  }

  /** Runs a streamed call up to its first content. */
  runStream(caller: StreamCaller): void {
    this.#start(caller, this.#streamCallbacks);
  }

  /** Makes another attempt for a stream that broke off. Budgets don't count it as a new call. */
  async resumeStream(state: CallState, failure: StreamBreak, ask: RequestFor): Promise<StreamResult> {
    this.#attempts.restrictAfter(state, failure.endpoint, failure.detail);
    this.#attempts.checkDeadline(state);
    return this.#stream(state, ask);
  }

  /** Adds a stream that broke off to the history of its call. */
  recordBrokenStream(state: CallState, endpoint: Endpoint, detail: FailureDetail): void {
    addFailure(state, endpoint, detail, this.#parts.routes().retry, true);
  }

  /** Whether an endpoint that has not failed this call could start it now. */
  canStartNow(state: CallState): boolean {
    return this.#acquirer.canStartNow(state);
  }

  #refusal(state: CallState, error: unknown): unknown {
    return withReport(this.#acquirer.explained(state, error), state.recorder);
  }

  #start<C extends Caller>(caller: C, handlers: AdmissionHandlers<C>): void {
    this.#parts.retryBudget.onCall();
    this.#parts.hedge.onCall();
    this.#acquirer.admit(caller, handlers);
  }

  async #completeWhole(state: CallState, place: EndpointSlot): Promise<WholeResult> {
    const { call, recorder } = state;
    try {
      const send: Send<WholeAnswer> = (slot, options) => slot.sendWhole(call, options);
      const { slot, value } = await this.#attempts.run(state, send, place);
      slot.learnLimits(value.reading);
      slot.succeed(value.usage);
      recorder.recordEnd(value.usage);
      return { ok: true, data: value.data, route: recorder.report() };
    } catch (error) {
      return { ok: false, error: withReport(error, recorder), route: recorder.report() };
    }
  }

  async #startStream(state: CallState, place: EndpointSlot): Promise<StreamStart> {
    const { call, recorder } = state;
    try {
      return { ok: true, result: await this.#stream(state, () => ({ call, continued: false }), place) };
    } catch (error) {
      return { ok: false, error: withReport(error, recorder) };
    }
  }

  async #stream(state: CallState, ask: RequestFor, place?: EndpointSlot): Promise<StreamResult> {
    const send: Send<OpenedStream> = async (slot, options) => {
      const { call, continued } = ask(slot.endpoint);
      const sent = await slot.sendStream(call, options);
      slot.learnLimits(sent.reading);
      slot.recordFirstToken();
      if (
        !isTooSlowToFinish(call, slot.endpoint, performance.now() - slot.startedAt, options.alternativeMs)
      ) {
        return { sent, continued, abort: () => sent.abort() };
      }
      sent.abort();
      throw new TooSlowError();
    };
    const { slot, value } = await this.#attempts.run(state, send, place);
    state.recorder.recordFirstToken();
    return { sent: value.sent, continued: value.continued, slot, recorder: state.recorder, state };
  }
}

/** The error, with the call's route where it has none. */
function withReport(error: unknown, recorder: RouteRecorder): unknown {
  return AiBalancerError.isInstance(error) && error.route === undefined ? withRoute(error, recorder) : error;
}
