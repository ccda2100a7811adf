import type { Usage } from '../call/answer';
import type { AnswerData } from '../call/response';
import { isNativeResponse, responseUsage } from '../responses/native-response';
import type { ChatEvent } from '../stream/chat-event';
import { readUsage } from '../stream/usage';

/** Limits reported usage to what the call could have used. Returns the same object if nothing changes. */
export type ClipUsage = (usage: Usage) => Usage;

/** A whole answer and its clipped usage. The usage in `data` is clipped too, except in a native Responses answer. */
export interface ClippedAnswer {
  readonly data: AnswerData;
  /** Undefined if the upstream has reported none. */
  readonly usage: Usage | undefined;
}

export function clipAnswer(data: ClippedAnswer['data'], clipUsage: ClipUsage): ClippedAnswer {
  const isNative = isNativeResponse(data);
  const reported = isNative ? responseUsage(data) : readUsage(data);
  const usage = reported && clipUsage(reported);
  // A native Responses answer reports usage in its own format, and its caller gets it unchanged.
  if (isNative) return { data, usage };
  return usage === reported ? { data, usage } : { data: { ...data, usage } as ClippedAnswer['data'], usage };
}

/** A streamed event with its usage clipped. Few events report any. */
export function clipEvent(event: ChatEvent, clipUsage: ClipUsage): ChatEvent {
  if (!event.usage) return event;
  const usage = clipUsage(event.usage);
  if (usage === event.usage) return event;
  // The raw bytes hold the reported usage, so they are dropped: the caller gets the clipped one too.
  return { ...event, raw: undefined, usage, chunk: { ...event.chunk, usage } };
}
