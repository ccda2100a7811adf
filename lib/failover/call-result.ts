import type { Call } from '../call/call';
import type { AnswerData } from '../call/response';
import type { EndpointSlot } from '../endpoint/endpoint';
import type { StreamedAnswer } from '../http/exchange';
import type { RouteReport } from '../route-report';
import type { CallState } from './call-state';

/** The owner of a call. */
export interface Caller {
  readonly call: Call;
  /** Called exactly once. */
  onEnd(result: CallResult): void;
}

/** How a call ended, or that its stream has begun. A failed call has a route too: what it used must be paid for. */
export type CallResult = WholeResult | { readonly kind: 'stream'; readonly stream: StreamResult };

export type WholeResult =
  | {
      readonly kind: 'answer';
      readonly data: AnswerData;
      readonly route: RouteReport;
    }
  | { readonly kind: 'failed'; readonly error: unknown; readonly route: RouteReport | undefined };

/** A stream that has shown its first content. Its slot is still open: the stream session ends it. */
export interface StreamResult {
  readonly sent: StreamedAnswer;
  readonly slot: EndpointSlot;
  readonly state: CallState;
  /** Whether it continues the text of the stream before it. */
  readonly continued: boolean;
}
