import type { LinkedAbort } from '../call/linked-abort';
import type { EndpointSlot } from '../endpoint/endpoint';
import type { ExchangeOptions, WholeAnswer } from '../http/exchange';
import type { Alternative } from './alternative';
import type { StreamResult } from './call-result';

export interface SendOptions extends ExchangeOptions {
  /** Predicts whether another endpoint could serve the call. */
  readonly alternative: Alternative;
}

/** A good answer: a whole one, or a stream whose first content has arrived. */
export type Sent = WholeAnswer | Pick<StreamResult, 'sent' | 'continued'>;

export type Send<T extends Sent> = (slot: EndpointSlot, options: SendOptions) => Promise<T>;

/** One attempt in flight. Aborting it doesn't affect the call's other attempts. */
export interface RunningAttempt<T extends Sent> extends AttemptRun {
  readonly abort: LinkedAbort;
  /** Never rejects. */
  readonly result: Promise<AttemptResult<T>>;
}

export type AttemptResult<T extends Sent> = GoodResult<T> | FailedResult;

interface AttemptRun {
  readonly slot: EndpointSlot;
  /** Whether the attempt was sent beside another one, as a hedge or a probe. */
  readonly isHedge: boolean;
}

export interface GoodResult<T extends Sent> extends AttemptRun {
  readonly ok: true;
  readonly value: T;
}

export interface FailedResult extends AttemptRun {
  readonly ok: false;
  readonly error: unknown;
}

/**
 * Settles the slot of a good answer that nobody uses. A whole answer still counts as a success of its endpoint; a
 * stream is aborted.
 */
export function discardAnswer({ slot, value }: GoodResult<Sent>): void {
  if ('sent' in value) {
    slot.abort(true);
    value.sent.abort();
    return;
  }
  slot.learnLimits(value.reading);
  slot.succeed(value.usage);
}
