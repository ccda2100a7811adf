import type { CallSignal } from '../call/call-signal';
import { LinkedAbort } from '../call/linked-abort';
import type { EndpointSlot } from '../endpoint/endpoint';
import type { ExchangeOptions } from '../http/exchange';
import { within } from '../util/timers';

export interface SendOptions extends ExchangeOptions {
  /** The shortest predicted time of another endpoint; Infinity where there is none. */
  readonly alternativeMs: number;
}

export type Send<T> = (slot: EndpointSlot, options: SendOptions) => Promise<T>;

/** The result of one attempt. */
export type AttemptResult<T> =
  | { readonly ok: true; readonly value: T; readonly attempt: RunningAttempt<T> }
  | { readonly ok: false; readonly error: unknown; readonly attempt: RunningAttempt<T> };

/** One attempt in flight. Cancelling it leaves the call's other attempt alone. */
export class RunningAttempt<T> {
  readonly result: Promise<AttemptResult<T>>;
  readonly #abort: LinkedAbort;

  constructor(
    readonly slot: EndpointSlot,
    readonly isHedge: boolean,
    signal: CallSignal,
    send: (signal: CallSignal) => Promise<T>,
  ) {
    this.#abort = new LinkedAbort(signal);
    this.result = this.#run(send);
  }

  /** Aborts it: the other attempt has won. */
  cancel(): void {
    this.#abort.abort();
  }

  async #run(send: (signal: CallSignal) => Promise<T>): Promise<AttemptResult<T>> {
    try {
      return { ok: true, value: await send(this.#abort), attempt: this };
    } catch (error) {
      return { ok: false, error, attempt: this };
    }
  }
}

/** The attempt's result, or 'late' after `ms`. */
export async function resultWithin<T>(
  attempt: RunningAttempt<T>,
  ms: number,
): Promise<AttemptResult<T> | 'late'> {
  return (await within(attempt.result, ms)) ?? 'late';
}
