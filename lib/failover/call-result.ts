import type { Call } from '../call/call';
import type { AnswerData } from '../call/response';
import type { EndpointSlot } from '../endpoint/endpoint';
import type { StreamedAnswer } from '../http/exchange';
import type { RouteReport } from '../route-report';
import type { CallState } from './call-state';

/** A call and the listener that receives its result. */
export interface Caller {
  readonly call: Call;
  /** Called exactly once. */
  onEnd(result: CallResult): void;
}

/**
 * How a call ended, or the stream that it has started. A failed call may have a route too: what its attempts have used
 * still counts as spent.
 */
export type CallResult = WholeResult | { readonly kind: 'stream'; readonly stream: StreamResult };

export type WholeResult =
  | {
      readonly kind: 'answer';
      readonly data: AnswerData;
      readonly route: RouteReport;
    }
  | { readonly kind: 'failed'; readonly error: unknown; readonly route: RouteReport | undefined };

/** A stream whose first content has arrived. Its slot is still open; the stream session settles it. */
export interface StreamResult {
  readonly sent: StreamedAnswer;
  readonly slot: EndpointSlot;
  readonly state: CallState;
  /** Whether the stream continues the text of an earlier one that broke off. */
  readonly continued: boolean;
}
