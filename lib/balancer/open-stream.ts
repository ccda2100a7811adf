import type { ChatCompletion } from '../call/answer';
import type { ChatBody } from '../call/body';
import type { Call } from '../call/call';
import { TextMeter } from '../call/tokens-text';
import type { StreamResult, WholeResult } from '../failover/call-result';
import type { Executor } from '../failover/executor';
import { StreamRecovery } from '../failover/stream/stream-recovery';
import { StreamSession } from '../failover/stream/stream-session';
import type { TextGuard } from '../hooks/text-guard';
import type { RouteReport } from '../route-report';
import type { ChatEvent } from '../stream/chat-event';
import { ChatEventStream, type ChatStream, type StreamOptions } from '../stream/chat-stream';
import { UsageMeter } from '../stream/usage-meter';
import { assembleAnswer, toChatEvents } from '../stream/whole-answer';
import type { EventReporter } from './event-reporter';
import type { RunningCall } from './running-call';
import type { TracedAnswer } from './traced-answer';

export interface OpenStreamParts {
  readonly executor: Executor;
  readonly events: EventReporter;
  readonly recovery: StreamOptions['recovery'];
  /** Shows the text to the app's hooks; undefined where none wants it. */
  readonly guard: TextGuard | undefined;
  /** Learns what traces tell of the answer; undefined where nothing traces. */
  readonly traced: TracedAnswer | undefined;
  /** Receives what the reader got, put together, if the stream has ended well; undefined where nobody wants it. */
  readonly onAnswer: ((answer: ChatCompletion, route: RouteReport) => void) | undefined;
  /** The stream has ended; called exactly once. */
  readonly onEnd: (error: Error | undefined, route: RouteReport) => void;
}

/** The caller's stream over a stream that has shown its first content. */
export function openStream(
  { call, hooks, lookup }: RunningCall,
  result: StreamResult,
  { executor, events, recovery, guard, traced, onAnswer, onEnd }: OpenStreamParts,
): ChatStream {
  const { recorder } = result.state;
  const copy = lookup && new StreamCopy();
  const shown = onAnswer && new StreamCopy();
  // Nothing else can continue what a Responses API has begun, nor can its reader be notified of a restart.
  const isNative = result.sent.first.some(({ native }) => native);
  const canRestart = (hooks.canRestart ?? true) && !call.responses;
  const session = new StreamSession(call, result, {
    newMeter: ({ promptTokens }) =>
      new UsageMeter({ promptTokens, estimateTokens: (text) => new TextMeter().tokens(text) }),
    recovery: new StreamRecovery(executor, call, isNative ? 'error' : recovery, canRestart),
    onRestart: (endpoint) => {
      events.restarted(call, endpoint.name);
      copy?.restart();
      shown?.restart();
      traced?.restart();
      guard?.restart();
      data.notifyRestart();
    },
    onBreak: (endpoint, attempt) => events.attemptEnded(call, endpoint, attempt, true),
    onReaderStall: () => data.notifyStalledEnd(),
    onEnd: (error) => {
      const route = recorder.report();
      onEnd(error, route);
      if (!error && lookup) void copy?.whole().then((answer) => answer && lookup.store(answer, route));
      if (!error) void shown?.whole().then((answer) => answer && onAnswer?.(answer, route));
    },
  });
  let rest: AsyncIterable<ChatEvent> = session.events();
  let first = result.sent.first;
  if (traced) rest = traced.addEvents(first).watch(rest);
  if (copy || guard || shown) {
    rest = joined(first, rest);
    first = [];
  }
  if (copy) rest = copy.events(rest);
  if (guard) rest = guard.events(rest, (error) => session.abort(error));
  if (shown) rest = shown.events(rest);
  const data: ChatEventStream = new ChatEventStream({
    first,
    events: rest,
    route: () => recorder.report(),
    onOpen: () => session.readingStarted(),
    abort: () => session.abort(),
  });
  return data;
}

/** A whole answer, of the cache or a hook, as the stream that the caller has asked for. */
export function localStream(
  { body }: Call,
  { data, route }: Extract<WholeResult, { kind: 'answer' }>,
  guard: TextGuard | undefined,
): ChatStream {
  const hideUsage = (body as ChatBody).stream_options?.include_usage !== true;
  const events = joined(toChatEvents(data as ChatCompletion, hideUsage));
  return new ChatEventStream({
    first: [],
    events: guard ? guard.events(events, () => undefined) : events,
    route: () => route,
    abort: () => undefined,
  });
}

async function* joined(
  first: readonly ChatEvent[],
  rest: AsyncIterable<ChatEvent> | readonly ChatEvent[] = [],
): AsyncGenerator<ChatEvent, void, undefined> {
  yield* first;
  yield* rest;
}

/** Longer answers are not kept, in characters. */
const MAX_COPY_CHARS = 1024 * 1024;

/** The events of a stream while it is read, for the cache. */
class StreamCopy {
  #events: ChatEvent[] = [];
  #chars = 0;

  async *events(source: AsyncIterable<ChatEvent>): AsyncGenerator<ChatEvent, void, undefined> {
    for await (const event of source) {
      this.#chars += event.generated.length;
      if (this.#chars <= MAX_COPY_CHARS) this.#events.push(event);
      yield event;
    }
  }

  restart(): void {
    this.#events = [];
    this.#chars = 0;
  }

  /** The whole answer; undefined if it was too long. */
  async whole(): Promise<ChatCompletion | undefined> {
    return this.#chars <= MAX_COPY_CHARS ? assembleAnswer(joined(this.#events)) : undefined;
  }
}
