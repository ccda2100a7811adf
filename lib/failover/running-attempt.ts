import type { CallSignal } from '../call/call-signal';
import { LinkedAbort } from '../call/linked-abort';
import type { EndpointSlot } from '../endpoint/endpoint';
import type { ExchangeOptions } from '../http/exchange';
import { within } from '../util/timers';

export interface SendOptions extends ExchangeOptions {
  /** The least time another endpoint is predicted to take; Infinity where there is none. */
  readonly alternativeMs: number;
}

export type Send<T> = (lease: EndpointSlot, options: SendOptions) => Promise<T>;

/** How one attempt ended. */
export type Ended<T> =
  | { readonly ok: true; readonly value: T; readonly attempt: RunningAttempt<T> }
  | { readonly ok: false; readonly error: unknown; readonly attempt: RunningAttempt<T> };

/** One attempt under way, that can be cancelled by itself. */
export class RunningAttempt<T> {
  readonly ended: Promise<Ended<T>>;
  readonly #abort: LinkedAbort;

  constructor(
    readonly lease: EndpointSlot,
    readonly hedge: boolean,
    signal: CallSignal,
    send: (signal: CallSignal) => Promise<T>,
  ) {
    this.#abort = new LinkedAbort(signal);
    this.ended = this.#run(send);
  }

  /** Stops it: it has lost. */
  cancel(): void {
    this.#abort.abort();
  }

  async #run(send: (signal: CallSignal) => Promise<T>): Promise<Ended<T>> {
    try {
      return { ok: true, value: await send(this.#abort), attempt: this };
    } catch (error) {
      return { ok: false, error, attempt: this };
    }
  }
}

/** Resolves with the attempt's end, or with 'late' when it takes longer than so many milliseconds. */
export async function endedWithin<T>(attempt: RunningAttempt<T>, ms: number): Promise<Ended<T> | 'late'> {
  return (await within(attempt.ended, ms)) ?? 'late';
}
