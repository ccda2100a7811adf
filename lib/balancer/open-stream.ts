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
  /** Runs the app's `text` hooks on the stream; undefined if there are none. */
  readonly guard: TextGuard | undefined;
  /** Collects the fields of the answer that traces record; undefined while no observer is active. */
  readonly traced: TracedAnswer | undefined;
  /** Receives the whole answer, as the reader got it, after the stream has completed; undefined if nothing needs it. */
  readonly onAnswer: ((answer: ChatCompletion, route: RouteReport) => void) | undefined;
  /** Called exactly once, when the stream ends. */
  readonly onEnd: (error: Error | undefined, route: RouteReport) => void;
}

/** Creates the caller's stream from an upstream stream whose first content has arrived. */
export function openStream(
  { call, hooks, lookup }: RunningCall,
  result: StreamResult,
  { executor, events, recovery, guard, traced, onAnswer, onEnd }: OpenStreamParts,
): ChatStream {
  const { recorder } = result.state;
  const copy = lookup && new StreamCopy();
  const shown = onAnswer && new StreamCopy();
  // No other endpoint can continue a native Responses stream, and a reader of Responses events can't be notified of a
  // restart.
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

/** Turns a whole answer from the cache or a hook into the stream that the caller has requested. */
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

/** Maximum length of an answer that is copied, in characters. */
const MAX_COPY_CHARS = 1024 * 1024;

/** Copies the events of a stream while it is read, to assemble the whole answer for the cache or the shadow. */
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

  /** Resolves to the whole answer; undefined if it is too long. */
  async whole(): Promise<ChatCompletion | undefined> {
    return this.#chars <= MAX_COPY_CHARS ? assembleAnswer(joined(this.#events)) : undefined;
  }
}
