import type { ChatCompletion, EmbeddingResponse, Usage } from '../call/answer';
import type { Call } from '../call/call';
import { findAnswerFault } from '../failure/check-answer';
import type { FailureDetail } from '../failure/detail';
import type { HttpHeaders } from '../provider/dialect';
import type { LimitReading } from '../provider/rate-limits/rate-limit-headers';
import type { ChatEvent } from '../stream/chat-event';
import { clipAnswer, clipEvent } from './clip-usage';
import { UpstreamFailure } from './upstream-failure';
import {
  type ClippedExchangeOptions,
  type ExchangeParts,
  MAX_ERROR_BYTES,
  UpstreamRequest,
} from './upstream-request';

export type { ExchangeOptions, ExchangeParts } from './upstream-request';

export interface WholeAnswer {
  readonly data: ChatCompletion | EmbeddingResponse;
  readonly usage: Usage | undefined;
  readonly reading: LimitReading | undefined;
}

export interface StreamedAnswer {
  /** The events up to the first content. */
  readonly first: readonly ChatEvent[];
  /** The events after those. Throws UpstreamFailure; ending it early closes the upstream's socket. */
  readonly rest: AsyncGenerator<ChatEvent, void, undefined>;
  readonly reading: LimitReading | undefined;
  /** Closes the upstream's socket at once. */
  abort(): void;
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
    const body = await request.readText(answer, options.maxResponseBytes);
    const http = { status: answer.status, headers: answer.headers, body };
    const data = request.readAnswer(http);
    const fault = findAnswerFault(data, call.operation, http.status);
    if (fault) throw request.failure(fault);
    return { ...clipAnswer(data, options.clipUsage), reading: request.reading };
  } catch (error) {
    throw request.toFailure(error);
  } finally {
    request.end();
  }
}

/**
 * Sends a call and reads its stream up to the first content. Where the server refuses `stream_options`, the call is sent
 * once more without it, and so are later ones. @throws UpstreamFailure
 */
export async function exchangeStream(
  parts: ExchangeParts,
  call: Call,
  options: ClippedExchangeOptions,
): Promise<StreamedAnswer> {
  const { settings, transport } = parts;
  const startedAt = performance.now();
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
    if (!isEventStream(answer.headers)) {
      const body = await request.readText(answer, MAX_ERROR_BYTES);
      const http = { status: answer.status, headers: answer.headers, body };
      const data = request.readAnswer(http);
      throw request.failure(
        findAnswerFault(data, 'chat', http.status) ?? badAnswerDetail('a whole answer instead of a stream'),
      );
    }
    const events = request.events(call, answer);
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

/** Servers that know no `stream_options` answer 400 or 422 and name the field, or an unknown field in general. */
function mayRefuseStreamOptions(error: unknown): boolean {
  if (!(error instanceof UpstreamFailure)) return false;
  const { status, message, param } = error.detail;
  if (status !== 400 && status !== 422) return false;
  return /stream_?options|include_usage|unknown|unrecogni[sz]ed|unexpected|unsupported|not (permitted|supported|allowed)|extra|additional propert/i.test(
    `${param ?? ''} ${message}`,
  );
}

function badAnswerDetail(message: string): FailureDetail {
  return { class: 'bad_answer', message };
}

function isEventStream(headers: HttpHeaders): boolean {
  const type = headers['content-type'];
  // An upstream without a content type, or with text/plain, may still stream; JSON and HTML don't.
  return typeof type !== 'string' || !/\b(json|html)\b/i.test(type);
}
