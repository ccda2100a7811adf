import { AiBalancerError } from '../errors';
import type { ChatEvent } from '../stream/chat-event';
import { CHAT_EVENTS, type ChatStream, type EventStream, ON_STALLED_END } from '../stream/chat-stream';

/**
 * A stream that ends with ERR_AI_STREAM_BROKEN where another endpoint would start the answer again. OpenAI's clients do
 * not know restarts and would show both answers as one.
 */
export function withoutRestarts(given: ChatStream): ChatStream {
  const stream = given as EventStream;
  let restarted = false;
  stream.onRestart(() => {
    restarted = true;
    stream.abort();
  });
  const rethrow = (error: unknown): never => {
    throw restarted ? streamBrokenError(stream) : error;
  };
  const events = (): AsyncIterableIterator<ChatEvent, undefined> => {
    const source = stream[CHAT_EVENTS]();
    return {
      next: () => source.next().catch(rethrow),
      return: async () => (await source.return?.()) ?? { done: true, value: undefined },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  };
  const wrapped: EventStream = {
    get route() {
      return stream.route;
    },
    abort: () => stream.abort(),
    onRestart: () => wrapped,
    [CHAT_EVENTS]: events,
    [ON_STALLED_END]: (callback) => stream[ON_STALLED_END]?.(callback),
    async *[Symbol.asyncIterator]() {
      for await (const event of events()) if (!event.isHidden) yield event.chunk;
    },
  };
  return wrapped;
}

function streamBrokenError({ route }: ChatStream): AiBalancerError {
  return new AiBalancerError('ERR_AI_STREAM_BROKEN', 'the stream broke and could not be recovered', {
    status: 502,
    retryable: true,
    attempts: route.attempts,
    route,
  });
}
