import type { ResponseBody } from '../call/body';
import type { AIResponse, ResponseStreamEvent } from '../call/response';
import type { OpenAIErrorBody } from '../errors';
import type { RouteReport } from '../route-report';
import { CHAT_EVENTS, type EventStream, ON_STALLED_END } from '../stream/chat-stream';
import type { StreamWire } from '../stream/pipe-chat-stream';
import type { EventSink } from '../stream/sse/event-sink';
import { isObject } from '../util/is-object';
import { ResponseBuilder } from './response-builder';

/**
 * A streamed response that can be read once. Leaving `for await` early closes the connection to the provider. The
 * iteration ends without an error only if the response is complete; otherwise it throws an AiBalancerError, such as
 * ERR_AI_STREAM_BROKEN.
 */
export interface ResponseStream extends AsyncIterable<ResponseStreamEvent> {
  /** How the call has been served so far. Its usage, cost and times are final once the iteration has ended. */
  readonly route: RouteReport;
  /** Closes the connection to the provider and ends the iteration with ERR_AI_ABORTED. */
  abort(): void;
}

/** An event, and its original bytes if it comes from an upstream unchanged. */
interface WireEvent {
  readonly event: ResponseStreamEvent;
  readonly raw: Uint8Array | undefined;
}

/**
 * Key of a stream's `ResponseWriter`. A registered symbol, because the stream may come from another copy of this
 * package.
 */
const WRITER = Symbol.for('express-ai-balancer.response-writer');

interface ResponseWriter {
  wireEvents(): AsyncIterable<WireEvent>;
  failureEvents(error: OpenAIErrorBody['error']): ResponseStreamEvent[];
  onStalledEnd(callback: () => void): void;
}

/** A stream of the events of a Responses API, passed on unchanged, or of events made from a chat stream. */
export class ResponseEventStream implements ResponseStream, ResponseWriter {
  readonly #stream: EventStream;
  readonly #builder: ResponseBuilder;
  readonly #onWhole: (response: AIResponse, isNative: boolean) => void;
  #lastSequence = -1;
  /** The latest state of the response in the upstream's own events; undefined if there have been none. */
  #native: object | undefined;

  /** @param onWhole Called with the complete response. */
  constructor(
    stream: EventStream,
    request: ResponseBody,
    onWhole: (response: AIResponse, isNative: boolean) => void,
  ) {
    this.#stream = stream;
    this.#builder = new ResponseBuilder(request, undefined);
    this.#onWhole = onWhole;
  }

  get [WRITER](): ResponseWriter {
    return this;
  }

  get route(): RouteReport {
    return this.#stream.route;
  }

  abort(): void {
    this.#stream.abort();
  }

  onStalledEnd(callback: () => void): void {
    this.#stream[ON_STALLED_END]?.(callback);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ResponseStreamEvent, undefined> {
    for await (const { event } of this.wireEvents()) yield event;
  }

  async *wireEvents(): AsyncGenerator<WireEvent, undefined> {
    for await (const { native, raw, chunk } of this.#stream[CHAT_EVENTS]()) {
      if (native) {
        this.#noteNative(native);
        yield { event: native, raw };
      } else yield* this.#numbered(this.#builder.add(chunk));
    }
    if (this.#native) {
      this.#onWhole(this.#native as AIResponse, true);
      return;
    }
    const last = this.#builder.end(this.route.usage);
    this.#onWhole(this.#builder.response, false);
    yield* this.#numbered(last);
  }

  /**
   * The last events of a stream that has failed: `response.failed` and `error`. Some clients look for one, some for the
   * other.
   */
  failureEvents(error: OpenAIErrorBody['error']): ResponseStreamEvent[] {
    const { message, code, param } = error;
    const failed = this.#native ? [this.#nativeFailure(this.#native, message)] : this.#builder.fail(message);
    const sequence_number = (failed.at(-1)?.sequence_number ?? this.#lastSequence) + 1;
    return [...failed, { type: 'error', sequence_number, code, message, param, error }];
  }

  *#numbered(events: readonly ResponseStreamEvent[]): Generator<WireEvent> {
    for (const event of events) {
      this.#lastSequence = event.sequence_number;
      yield { event, raw: undefined };
    }
  }

  #noteNative({ sequence_number, response }: ResponseStreamEvent): void {
    if (typeof sequence_number === 'number') this.#lastSequence = sequence_number;
    this.#native = isObject(response) ? response : (this.#native ?? {});
  }

  #nativeFailure(response: object, message: string): ResponseStreamEvent {
    const error = { code: 'server_error', message };
    const sequence_number = this.#lastSequence + 1;
    return { type: 'response.failed', sequence_number, response: { ...response, status: 'failed', error } };
  }

  /**
   * Not part of the type. Throws an error that names the mistake, and closes the connection, because nobody will read
   * the stream.
   */
  pipe(): never {
    this.abort();
    throw new TypeError(
      'This stream was awaited: call pipe() on the call itself, as in req.ai.responses({ ...body, stream: true }).pipe(res).',
    );
  }

  withRoute(): never {
    this.abort();
    throw new TypeError(
      'This stream was awaited: call withRoute() on the call itself, as in await req.ai.responses(body).withRoute().',
    );
  }

  /** Not part of the type. Throws an error that names the mistake: `res.json(stream)` would send `{}`. */
  toJSON(): never {
    throw new TypeError(
      'A stream has no JSON: read it with for await, or send it with req.ai.responses(body).pipe(res).',
    );
  }
}

/** Writes events as OpenAI's Responses API does, which sends no `[DONE]`. */
export const RESPONSE_WIRE: StreamWire<ResponseStream> = {
  end: '',
  async write(out: EventSink, stream: ResponseStream): Promise<void> {
    const writer = writerOf(stream);
    writer.onStalledEnd(() => out.destroy());
    for await (const { event, raw } of writer.wireEvents()) {
      if (out.isClosed) return;
      await out.write(raw ?? sseText(event));
    }
  },
  failure({ error }: OpenAIErrorBody, stream: ResponseStream | undefined): string {
    const { message, code, param } = error;
    const events = (stream && writerOf(stream).failureEvents(error)) ?? [
      { type: 'error', sequence_number: 0, code, message, param, error },
    ];
    return events.map(sseText).join('');
  },
};

function writerOf(stream: ResponseStream): ResponseWriter {
  return (stream as ResponseStream & { readonly [WRITER]: ResponseWriter })[WRITER];
}

function sseText(event: ResponseStreamEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}
