import type { Usage } from '../call/answer';
import type { AnswerData } from '../call/response';
import { isNativeResponse, responseUsage } from '../responses/native-response';
import type { ChatEvent } from '../stream/chat-event';
import { readUsage } from '../stream/usage';

/** Bounds reported usage by what the call could have used. Returns the same object if nothing changes. */
export type ClipUsage = (usage: Usage) => Usage;

/** A whole answer and its usage, clipped in both. */
export interface ClippedAnswer {
  readonly data: AnswerData;
  /** As reported. */
  readonly usage: Usage | undefined;
}

export function clipAnswer(data: ClippedAnswer['data'], clipUsage: ClipUsage): ClippedAnswer {
  const isNative = isNativeResponse(data);
  const reported = isNative ? responseUsage(data) : readUsage(data);
  const usage = reported && clipUsage(reported);
  // In its own terms, and the caller of a Responses API reads it as it is.
  if (isNative) return { data, usage };
  return usage === reported ? { data, usage } : { data: { ...data, usage } as ClippedAnswer['data'], usage };
}

/** A streamed event with its usage clipped. Few events report any. */
export function clipEvent(event: ChatEvent, clipUsage: ClipUsage): ChatEvent {
  if (!event.usage) return event;
  const usage = clipUsage(event.usage);
  if (usage === event.usage) return event;
  // Without its bytes: what the caller reads is clipped too.
  return { ...event, raw: undefined, usage, chunk: { ...event.chunk, usage } };
}
