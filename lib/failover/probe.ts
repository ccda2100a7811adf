import type { CallSignal } from '../call/call-signal';
import { LinkedAbort } from '../call/linked-abort';
import type { EndpointSlot } from '../endpoint/endpoint';
import {
  type AttemptResult,
  discardAnswer,
  type FailedResult,
  type GoodResult,
  type RunningAttempt,
  type Sent,
} from './running-attempt';

export interface ProbeParts<T extends Sent> {
  readonly slot: EndpointSlot;
  /** The call's signal: the probe is aborted when the caller leaves. */
  readonly signal: CallSignal;
  readonly send: (abort: LinkedAbort) => RunningAttempt<T>;
  /**
   * Called when the probe has failed.
   * @param isReported Whether the call's report already contains the probe, because the call went on without it.
   */
  readonly onFailed: (result: FailedResult, isReported: boolean) => void;
  /** Called when the call goes on without the probe, whose tokens are then wasted. */
  readonly onLeft: () => void;
  /** Called when the probe's own result is known, or it turns out that the probe can't be sent. */
  readonly onEnd: () => void;
}

type State<T extends Sent> =
  /** Running; its call uses its answer if that comes first. */
  | { readonly kind: 'beside' }
  /** Still running, although its call has its result. */
  | { readonly kind: 'alone' }
  /** Has a good answer that the call has not used yet. */
  | { readonly kind: 'answered'; readonly result: GoodResult<T> }
  | { readonly kind: 'ended' };

/**
 * A probe that runs beside an attempt of the same call at another endpoint. The call uses the probe's answer if that
 * comes first, and never waits for it: once the call has its result, the probe goes on alone until its own result is
 * known.
 */
export class Probe<T extends Sent> {
  /** Resolves to a good answer that arrives while the call can use it, and else stays pending. Never rejects. */
  readonly answer: Promise<GoodResult<T>>;
  readonly #parts: ProbeParts<T>;
  readonly #abort: LinkedAbort;
  #state: State<T> = { kind: 'beside' };

  constructor(parts: ProbeParts<T>) {
    this.#parts = parts;
    this.#abort = new LinkedAbort(parts.signal);
    this.answer = new Promise((resolve) => void this.#run(resolve));
  }

  /** The probe's good answer, as long as the call can use it. */
  get answered(): GoodResult<T> | undefined {
    return this.#state.kind === 'answered' ? this.#state.result : undefined;
  }

  /**
   * Called when the call has its result. If `used` is the probe's answer, the call settles the slot. Otherwise a
   * running probe goes on alone, and an unused answer is discarded.
   */
  leave(used?: AttemptResult<T>): void {
    const state = this.#state;
    if (state.kind === 'beside') {
      this.#state = { kind: 'alone' };
      this.#parts.onLeft();
    } else if (state.kind === 'answered') {
      this.#state = { kind: 'ended' };
      if (used !== state.result) {
        this.#parts.onLeft();
        discardAnswer(state.result);
        this.#abort.release();
      }
    }
  }

  /** Aborts a running probe. An answer that has already arrived stays available to the call. */
  cancel(): void {
    const { kind } = this.#state;
    if (kind === 'beside' || kind === 'alone') this.#abort.abort();
  }

  async #run(resolve: (answer: GoodResult<T>) => void): Promise<void> {
    const result = await this.#result();
    const isReported = this.#state.kind === 'alone';
    const isAnswer = result?.ok === true && !isReported;
    this.#state = isAnswer ? { kind: 'answered', result } : { kind: 'ended' };
    this.#parts.onEnd();
    if (isAnswer) {
      // The abort stays linked, because the caller may still leave.
      resolve(result);
      return;
    }
    this.#abort.release();
    if (result?.ok) discardAnswer(result);
    else if (result) this.#parts.onFailed(result, isReported);
  }

  /** Sends the probe and resolves to its result; undefined if it was not sent, in which case its slot holds nothing. */
  async #result(): Promise<AttemptResult<T> | undefined> {
    const { slot, send } = this.#parts;
    // Nobody waits for the probe, so it can wait until Redis has confirmed its quota.
    if (!slot.isConfirmed && !(await slot.confirm())) return undefined;
    if (!this.#abort.aborted) return send(this.#abort).result;
    slot.abort(false);
    return undefined;
  }
}
