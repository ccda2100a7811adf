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
  /** Of the call: when its caller leaves, the probe ends too. */
  readonly signal: CallSignal;
  readonly send: (abort: LinkedAbort) => RunningAttempt<T>;
  /** It failed. @param isReported Whether the call's report has it already, because the call went on without it. */
  readonly onFailed: (result: FailedResult, isReported: boolean) => void;
  /** The call goes on without it: its tokens are wasted. */
  readonly onLeft: () => void;
  /** It has ended without being used by its call. */
  readonly onEnd: () => void;
}

type State<T extends Sent> =
  /** Its call takes its answer if that comes first. */
  | { readonly kind: 'beside' }
  /** Its call goes on without it. */
  | { readonly kind: 'alone' }
  /** Its answer waits for the call. */
  | { readonly kind: 'answered'; readonly result: GoodResult<T> }
  | { readonly kind: 'ended' };

/**
 * A probe beside an attempt of a call that another endpoint serves. The call uses its answer if that comes first, and
 * never waits for it: once the call goes on without it, the probe runs by itself until its result is known.
 */
export class Probe<T extends Sent> {
  /** Resolves with a good answer that comes while its call may use it. Never rejects. */
  readonly answer: Promise<GoodResult<T>>;
  readonly #parts: ProbeParts<T>;
  readonly #abort: LinkedAbort;
  #state: State<T> = { kind: 'beside' };

  constructor(parts: ProbeParts<T>) {
    this.#parts = parts;
    this.#abort = new LinkedAbort(parts.signal);
    this.answer = new Promise((resolve) => void this.#run(resolve));
  }

  /** Its good answer, for as long as its call may use it. */
  get answered(): GoodResult<T> | undefined {
    return this.#state.kind === 'answered' ? this.#state.result : undefined;
  }

  /** The call has its result. If that is the probe's answer, the call ends the slot; else the probe goes on alone. */
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

  /** Ends it without a result. An answer that is there already is left to its call. */
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
      // The caller may still leave.
      resolve(result);
      return;
    }
    this.#abort.release();
    if (result?.ok) discardAnswer(result);
    else if (result) this.#parts.onFailed(result, isReported);
  }

  /** Undefined where it was not sent: its slot holds nothing then. */
  async #result(): Promise<AttemptResult<T> | undefined> {
    const { slot, send } = this.#parts;
    // Nobody waits for it, so Redis may be asked for its quota.
    if (!slot.isConfirmed && !(await slot.confirm())) return undefined;
    if (!this.#abort.aborted) return send(this.#abort).result;
    slot.abort(false);
    return undefined;
  }
}
