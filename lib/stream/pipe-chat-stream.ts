import type { ServerResponse } from 'node:http';
import type { PipeOptions } from '../call/ai-call';
import { AiBalancerError, type OpenAIErrorBody, retryAfterHeader } from '../errors';
import type { RouteReport } from '../route-report';
import { within } from '../util/timers';
import { CHAT_EVENTS, type ChatStream, type EventStream, ON_STALLED_END } from './chat-stream';
import type { EventSink } from './sse/event-sink';
import { SseResponse } from './sse/sse-response';

/** How the events of a stream are written. */
export interface StreamWire<S> {
  /** Writes every event of `stream` to `out`. If it stops early, it must close the connection to the provider. */
  write(out: EventSink, stream: S): Promise<void>;
  /** Written at the end of a complete answer, and only then. */
  readonly end: string;
  /**
   * The event that ends a stream which failed after its headers were sent.
   * @param stream Undefined if the stream had not started.
   */
  failure(body: OpenAIErrorBody, stream: S | undefined): string;
}

/** A stream that can be written. */
interface PipedStream {
  readonly route: RouteReport;
  abort(): void;
}

export interface StreamPipeOptions<S extends PipedStream = ChatStream>
  extends Pick<PipeOptions, 'keepAliveMs' | 'headerDelayMs'> {
  /** Called when the client leaves before the answer is complete. A stream that has started is aborted too. */
  onClose?(): void;
  /** Called with the error that the client gets. */
  onFailure?(error: unknown): void;
  /** Returns additional headers for a 200 response. `stream` is undefined if it has not started yet. */
  headers?(stream: S | undefined): Readonly<Record<string, string>>;
  /** Returns the headers of an error response. Default: Retry-After, if it is known. */
  toHeaders?(error: unknown): Readonly<Record<string, string>>;
}

/** The body of an error that is not an AiBalancerError. */
const FAILED: OpenAIErrorBody = {
  error: { message: 'The answer failed.', type: 'server_error', code: null, param: null },
};
const DEFAULTS = { keepAliveMs: 15_000, headerDelayMs: 20 } as const;

/**
 * Writes a streamed answer to an HTTP response as server-sent events, as OpenAI does. It never rejects: the client gets
 * the error, as a status if the headers have not been sent, else as an event `data: {"error":...}`. `data: [DONE]` ends
 * a complete answer and nothing else. A restart is sent as an event named `restart`.
 */
export function pipeChatStream(
  res: ServerResponse,
  start: Promise<ChatStream>,
  options: StreamPipeOptions = {},
): Promise<void> {
  return pipeStream(CHAT_WIRE, res, start, options);
}

/** Like {@link pipeChatStream}, for any wire format. */
export function pipeStream<S extends PipedStream>(
  wire: StreamWire<S>,
  res: ServerResponse,
  start: Promise<S>,
  options: StreamPipeOptions<S>,
): Promise<void> {
  const out = new SseResponse(res, options.keepAliveMs ?? DEFAULTS.keepAliveMs);
  return writeStream(wire, out, start, options);
}

/** Like {@link pipeStream}, to any sink. */
export async function writeStream<S extends PipedStream>(
  wire: StreamWire<S>,
  out: EventSink,
  start: Promise<S>,
  options: Omit<StreamPipeOptions<S>, 'keepAliveMs'>,
): Promise<void> {
  let stream: S | undefined;
  const closed = new Promise<'closed'>((resolve) => out.onceClosed(() => resolve('closed')));
  let isSettled = false;
  out.onceClosed(() => {
    if (isSettled) return;
    options.onClose?.();
    // The stream may still start after the client has left: it is aborted then.
    start.then((late) => late.abort()).catch(() => undefined);
  });

  try {
    const early = await within(
      Promise.race([start, closed]),
      options.headerDelayMs ?? DEFAULTS.headerDelayMs,
    );
    if (early === 'closed') return;
    out.open(options.headers?.(early) ?? {});
    const started = early ?? (await Promise.race([start, closed]));
    if (started === 'closed') return;
    stream = started;
    await wire.write(out, stream);
    isSettled = true;
    out.end(wire.end);
  } catch (error) {
    isSettled = true;
    options.onFailure?.(error);
    const body = AiBalancerError.isInstance(error) ? error.toBody() : FAILED;
    if (out.headersSent) out.end(wire.failure(body, stream));
    else sendError(out, error, body, options);
  }
}

/** The wire format of OpenAI's chat completions. */
export const CHAT_WIRE: StreamWire<ChatStream> = {
  write: writeEvents,
  end: 'data: [DONE]\n\n',
  failure: (body) => `data: ${JSON.stringify(body)}\n\n`,
};

async function writeEvents(out: EventSink, stream: ChatStream): Promise<void> {
  stream.onRestart(() => void out.write('event: restart\ndata: {}\n\n'));
  (stream as EventStream)[ON_STALLED_END]?.(() => out.destroy());
  const events = (stream as EventStream)[CHAT_EVENTS]();
  try {
    for (;;) {
      // Events that have already arrived are taken without a promise for each.
      const { done, value: event } = events.take?.() ?? (await events.next());
      if (done || out.isClosed) return;
      if (event.isHidden) continue;
      const drained = out.write(event.raw ?? `data: ${JSON.stringify(event.chunk)}\n\n`);
      if (drained) await drained;
    }
  } finally {
    // Closes the connection to the provider where the stream has not ended.
    await events.return?.();
  }
}

function sendError(
  out: EventSink,
  error: unknown,
  body: OpenAIErrorBody,
  { toHeaders }: Pick<StreamPipeOptions, 'toHeaders'>,
): void {
  const known = AiBalancerError.isInstance(error) ? error : undefined;
  const headers = toHeaders?.(error) ?? retryAfterHeader(known?.retryAfterMs) ?? {};
  out.sendJson(known?.status ?? 500, headers, body);
}
