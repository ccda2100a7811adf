import type { ChatCompletion, Usage } from '../call/answer';
import type { ChatBody, EmbeddingBody } from '../call/body';
import type { Call } from '../call/call';
import type { AnswerData } from '../call/response';
import { TextMeter } from '../call/tokens-text';
import { type ExpectedAnswer, findAnswerFault } from '../failure/check-answer';
import type { LimitReading } from '../provider/rate-limits/rate-limit-headers';
import {
  eventsOfResponse,
  findResponseFault,
  generatedInResponse,
  isNativeResponse,
} from '../responses/native-response';
import { nativeRequest } from '../responses/native-route';
import type { ChatEvent } from '../stream/chat-event';
import { generatedText } from '../stream/chat-event';
import type { ChatEvents } from '../stream/chat-event-reader';
import { completeUsage } from '../stream/usage';
import { assembleAnswer, looksLikeEventStream, toChatEvents } from '../stream/whole-answer';
import { type ClippedAnswer, clipAnswer, clipEvent } from './clip-usage';
import type { ClippedExchangeOptions, ExchangeParts } from './exchange-options';
import { oneChunk } from './response-body';
import type { TransportAnswer } from './transport';
import { UpstreamFailure } from './upstream-failure';
import { hasStopSequence, UpstreamRequest } from './upstream-request';

export type { ExchangeOptions, ExchangeParts } from './exchange-options';

export interface WholeAnswer {
  readonly data: AnswerData;
  /** Token counts as the upstream has reported them, else estimated. */
  readonly usage: Usage;
  readonly reading: LimitReading | undefined;
}

export interface StreamedAnswer {
  /** The events up to the first content. */
  readonly first: readonly ChatEvent[];
  /** The events after `first`. The iteration throws UpstreamFailure; leaving it early closes the upstream's socket. */
  readonly rest: ChatEvents;
  readonly reading: LimitReading | undefined;
  /** Closes the upstream's socket at once. */
  readonly abort: () => void;
}

/** Sends a call and reads the whole answer. @throws UpstreamFailure */
export async function exchangeWhole(
  parts: ExchangeParts,
  call: Call,
  options: ClippedExchangeOptions,
): Promise<WholeAnswer> {
  const request = new UpstreamRequest(parts, options);
  try {
    const answer = await request.send(call);
    const { data, usage } = await readWhole(request, call, answer, options);
    const completionTokens = (): number =>
      call.operation === 'chat' ? new TextMeter().tokens(generatedIn(data)) : 0;
    const { promptTokens } = call;
    request.release();
    return {
      data,
      usage: completeUsage(usage, { promptTokens, completionTokens }),
      reading: request.reading,
    };
  } catch (error) {
    const failure = request.toFailure(error);
    request.end();
    throw failure;
  }
}

/**
 * Sends a call and reads its stream up to the first content. If the server refuses `stream_options`, the call is sent
 * once more without it, and so are later calls. @throws UpstreamFailure
 */
export async function exchangeStream(
  parts: ExchangeParts,
  call: Call,
  options: ClippedExchangeOptions,
): Promise<StreamedAnswer> {
  const { settings, transport, dialect } = parts;
  const startedAt = performance.now();
  // Other wire formats have no `stream_options` and always report usage.
  if (dialect.chunks || nativeRequest(call, parts)) return openStream(parts, call, options, true);
  if (!settings.streamUsage || transport.streamUsage === 'refused')
    return openStream(parts, call, options, false);
  try {
    const answer = await openStream(parts, call, options, true);
    transport.streamUsage = 'accepted';
    return answer;
  } catch (error) {
    if (transport.streamUsage === 'accepted' || !mayRefuseStreamOptions(error)) throw error;
    const limitMs = options.limitMs - (performance.now() - startedAt);
    if (limitMs <= 0 || options.signal.aborted) throw error;
    const answer = await openStream(parts, call, { ...options, limitMs }, false);
    transport.streamUsage = 'refused';
    return answer;
  }
}

async function openStream(
  parts: ExchangeParts,
  call: Call,
  options: ClippedExchangeOptions,
  streamUsage: boolean,
): Promise<StreamedAnswer> {
  const request = new UpstreamRequest(parts, options, streamUsage);
  try {
    const answer = await request.send(call);
    if (!(await request.awaitStep(answer.body.holdsEvents()))) {
      const { data } = await readWhole(request, call, answer, options);
      return streamedWhole(call, request, data);
    }
    const events = request.events(call, answer.body);
    const first: ChatEvent[] = [];
    for (;;) {
      const next = await request.awaitStep(events.next());
      if (next.done) break;
      first.push(clipEvent(next.value, options.clipUsage));
      if (next.value.hasContent || next.value.hasFinishReason) break;
    }
    request.stopTimer();
    return {
      first,
      rest: request.rest(call, events),
      reading: request.reading,
      abort: () => request.end(),
    };
  } catch (error) {
    const failure = request.toFailure(error);
    request.end();
    throw failure;
  }
}

/**
 * Reads a whole answer and clips its usage. The content type is ignored, because some servers send an event stream as
 * JSON.
 */
async function readWhole(
  request: UpstreamRequest,
  call: Call,
  { status, headers, body }: TransportAnswer,
  { maxResponseBytes, clipUsage }: ClippedExchangeOptions,
): Promise<ClippedAnswer> {
  const text = await request.readText(body, maxResponseBytes);
  const http = { status, headers, body: text };
  const isNative = request.isNative(call);
  const data =
    call.operation === 'chat' && !isNative && looksLikeEventStream(text)
      ? await assembleAnswer(request.events(call, oneChunk(text)))
      : request.readAnswer(http, call);
  const fault = isNative
    ? findResponseFault(data, status)
    : findAnswerFault(data, expectedAnswer(call), status);
  if (fault) throw request.failure(fault);
  return clipAnswer(data, clipUsage);
}

function expectedAnswer({ operation, body }: Call): ExpectedAnswer {
  if (operation === 'chat') return { kind: 'chat', mayBeEmpty: hasStopSequence(body as ChatBody) };
  const { input } = body as EmbeddingBody;
  // A list of token ids is one input.
  const inputs = Array.isArray(input) && typeof input[0] !== 'number' ? input.length : 1;
  return { kind: 'embeddings', inputs };
}

/**
 * Whether an error may mean that the server doesn't know `stream_options`. Such servers answer 400 or 422 and name the
 * field, or an unknown field in general.
 */
function mayRefuseStreamOptions(error: unknown): boolean {
  if (!(error instanceof UpstreamFailure)) return false;
  const { status, message, param } = error.detail;
  if (status !== 400 && status !== 422) return false;
  return /stream_?options|include_usage|unknown|unrecogni[sz]ed|unexpected|unsupported|not (permitted|supported|allowed)|extra|additional propert/i.test(
    `${param ?? ''} ${message}`,
  );
}

/** The streamed form of a whole answer that was sent in place of a stream. */
function streamedWhole(call: Call, request: UpstreamRequest, data: AnswerData): StreamedAnswer {
  request.release();
  const hideUsage = (call.body as ChatBody).stream_options?.include_usage !== true;
  const events = isNativeResponse(data)
    ? eventsOfResponse(data)
    : toChatEvents(data as ChatCompletion, hideUsage);
  const [content, ...rest] = events as readonly ChatEvent[];
  return {
    // There is always one.
    first: [content as ChatEvent],
    rest: eventsOf(rest),
    reading: request.reading,
    abort: () => undefined,
  };
}

function generatedIn(data: AnswerData): string {
  return isNativeResponse(data) ? generatedInResponse(data) : generatedText(data);
}

async function* eventsOf(events: readonly ChatEvent[]): AsyncGenerator<ChatEvent, undefined> {
  for (const event of events) yield await Promise.resolve(event);
}
