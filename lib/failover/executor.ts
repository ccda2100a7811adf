import type { Call } from '../call/call';
import type { Endpoint, EndpointSlot } from '../endpoint/endpoint';
import type { WholeAnswer } from '../http/exchange';
import { isTooSlowToFinish } from './attempt-limit';
import { Attempts, TooSlowError } from './attempts';
import { withRoute } from './call-errors';
import type { Caller, CallResult, StreamResult, WholeResult } from './call-result';
import { addFailure, type CallState, type EndpointFault, type ExecutorParts } from './call-state';
import type { Send } from './running-attempt';
import { SlotAcquirer } from './slot-acquirer';
import type { AdmissionHandlers } from './waiting-call';

/** Returns the call to send to an endpoint: the caller's, or the continuation of a stream that broke off. */
export type RequestFor = (endpoint: Endpoint) => { readonly call: Call; readonly continued: boolean };

/** Runs calls: acquires slots and makes attempts until one succeeds or nothing is left to try. */
export class Executor {
  readonly #parts: ExecutorParts;
  readonly #acquirer: SlotAcquirer;
  readonly #attempts: Attempts;
  readonly #handlers: AdmissionHandlers = {
    admitted: (caller, state, slot) =>
      void this.#complete(state, slot).then((result) => caller.onEnd(result)),
    refused: (caller, state, error) =>
      caller.onEnd(failedResult(state, this.#acquirer.explained(state, error))),
  };

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
    this.#acquirer = new SlotAcquirer(parts);
    this.#attempts = new Attempts(parts, this.#acquirer);
  }

  /**
   * Runs a call to its whole answer or to the first content of its stream. Not async, so that a call in the wait queue
   * holds no suspended function.
   */
  run(caller: Caller): void {
    this.#parts.retryBudget.onCall();
    this.#parts.hedge.onCall();
    this.#acquirer.admit(caller, this.#handlers);
  }

  /** Runs a call that is not streamed. Never rejects. */
  runWhole(call: Call): Promise<WholeResult> {
    return new Promise((resolve) => this.run({ call, onEnd: (result) => resolve(result as WholeResult) }));
  }

  /**
   * Makes another attempt for a stream that broke off. It doesn't count as a new call in the retry and hedge budgets.
   */
  async resumeStream(state: CallState, fault: EndpointFault, ask: RequestFor): Promise<StreamResult> {
    this.#attempts.restrict(state, [fault]);
    return this.#stream(state, ask);
  }

  /**
   * Adds the endpoint's failure to the history of the call, so that the endpoint that broke off the stream is not tried
   * again.
   */
  recordBrokenStream(state: CallState, fault: EndpointFault): void {
    addFailure(state, fault, this.#parts.routes().retry, true);
  }

  /** Whether an endpoint that has not failed this call could start it now. */
  canStartNow(state: CallState): boolean {
    return this.#acquirer.canStartNow(state);
  }

  /** Aborts all probes, also those that outlive the call that started them. */
  cancelProbes(): void {
    this.#attempts.cancelProbes();
  }

  async #complete(state: CallState, given: EndpointSlot): Promise<CallResult> {
    const { call, recorder } = state;
    try {
      if (call.stream) {
        const stream = await this.#stream(state, () => ({ call, continued: false }), given);
        return { kind: 'stream', stream };
      }
      const send: Send<WholeAnswer> = (slot, options) => slot.sendWhole(call, options);
      const { slot, value } = await this.#attempts.run(state, send, given);
      slot.learnLimits(value.reading);
      slot.succeed(value.usage);
      recorder.recordEnd(value.usage);
      return { kind: 'answer', data: value.data, route: recorder.report() };
    } catch (error) {
      return failedResult(state, error);
    }
  }

  async #stream(state: CallState, ask: RequestFor, given?: EndpointSlot): Promise<StreamResult> {
    const send: Send<Pick<StreamResult, 'sent' | 'continued'>> = async (slot, options) => {
      const { call, continued } = ask(slot.endpoint);
      const sent = await slot.sendStream(call, options);
      slot.learnLimits(sent.reading);
      slot.recordFirstToken();
      if (
        !isTooSlowToFinish(call, slot.endpoint, performance.now() - slot.startedAt, () =>
          options.alternative.readyMs(),
        )
      ) {
        return { sent, continued };
      }
      sent.abort();
      throw new TooSlowError();
    };
    const { slot, value } = await this.#attempts.run(state, send, given);
    state.recorder.recordFirstToken();
    // Not held while the stream is read: recovery makes a plan of its own.
    state.plan = undefined;
    return { ...value, slot, state };
  }
}

function failedResult({ recorder }: CallState, error: unknown): CallResult {
  return { kind: 'failed', error: withRoute(error, recorder), route: recorder.report() };
}
