import type { Usage } from '../../call/answer';
import { type ChatEvent, type ChunkIdentity, identityOf } from '../../stream/chat-event';
import type { UsageMeter } from '../../stream/usage-meter';
import type { StreamResult } from '../call-result';

/** The whole answer of one endpoint, or the part that one endpoint adds to the answer of another. */
export interface AnswerPart {
  readonly result: ServedStream;
  /** Measures what this endpoint has used. */
  readonly meter: UsageMeter;
  /** Measures what the reader has received of the answer: `meter` itself if the answer has one part. */
  readonly shown: UsageMeter;
  /**
   * The usage of the earlier parts of the same answer, and the id, time and model of its chunks; undefined for the
   * first part.
   */
  readonly prior: { readonly usage: Usage; readonly identity: ChunkIdentity } | undefined;
}

/** What is kept of a result while its events are read: not the first ones, with the chunk that they arrived in. */
interface ServedStream extends Pick<StreamResult, 'slot' | 'state'> {
  /** Undefined if no endpoint may continue the answer. */
  readonly identity: ChunkIdentity | undefined;
  /** Closes the upstream's socket at once. */
  readonly close: () => void;
}

/** @param mayContinue Whether another endpoint may continue the answer. */
export function servedStream({ sent, slot, state }: StreamResult, mayContinue: boolean): ServedStream {
  // From the last of the first events, because Azure's first chunk, with the content filter's results, has no id.
  const identity = mayContinue ? identityOf((sent.first.at(-1) as ChatEvent).chunk) : undefined;
  return { slot, state, identity, close: sent.abort };
}

export async function* eventsOf({ sent }: StreamResult): AsyncGenerator<ChatEvent, undefined> {
  yield* sent.first;
  yield* sent.rest;
}

export async function* metered(
  result: StreamResult,
  meter: UsageMeter,
): AsyncGenerator<ChatEvent, undefined> {
  for await (const event of eventsOf(result)) {
    meter.add(event);
    yield event;
  }
}
