import type { ChatBody } from '../call/body';
import type { Call } from '../call/call';
import type { CallSignal } from '../call/call-signal';
import { LinkedAbort } from '../call/linked-abort';
import type { AIResponse, AnswerData } from '../call/response';
import { classifyUnreadableAnswer, nestedAnswer } from '../failure/check-answer';
import { classifyError } from '../failure/classify-error';
import type { FailureDetail } from '../failure/detail';
import { type DialectEndpoint, dialectCall, type HttpAnswer } from '../provider/dialect';
import type { LimitReading } from '../provider/rate-limits/rate-limit-headers';
import { readNativeEvents } from '../responses/native-event-reader';
import { nativeRequest } from '../responses/native-route';
import type { ChatEvent } from '../stream/chat-event';
import { type ChatEvents, type EventResult, readChatEvents } from '../stream/chat-event-reader';
import { StreamFailure } from '../stream/stream-errors';
import { isTextNestedDeeper, MAX_NESTING } from '../util/nesting';
import { type ClipUsage, clipEvent } from './clip-usage';
import type { ClippedExchangeOptions, ExchangeParts, ExchangeSettings } from './exchange-options';
import { ProgressTimeout } from './progress-timeout';
import type { ResponseBody } from './response-body';
import type { TransportAnswer } from './transport';
import { type EventsRequest, UpstreamEvents } from './upstream-events';
import { UpstreamFailure } from './upstream-failure';

/** Printable ASCII without white space. */
const HEADER_SAFE = /^[\x21-\x7e]+$/;
/** How much of an error body is read, in bytes: enough for any message. */
export const MAX_ERROR_BYTES = 64 * 1024;

/** One request with its timeouts. It always settles, and its socket is closed or returned to the pool. */
export class UpstreamRequest implements EventsRequest {
  readonly #parts: ExchangeParts;
  readonly #abort = new LinkedAbort();
  readonly #caller: CallSignal;
  readonly #clipUsage: ClipUsage;
  readonly #onSkippedEvent: (() => void) | undefined;
  readonly #streamUsage: boolean;
  readonly #timer: ProgressTimeout;
  /** Rejects the pending step. A Promise.race against one abort promise would retain every event of a stream. */
  #interrupt: ((error: Error) => void) | undefined;
  #timeoutMessage: string | undefined;
  #isAnswered = false;
  #isStreaming = false;
  /** Whether the timer of a stream runs until the call's deadline, which comes before the stall timeout. */
  #isDeadlineNext = false;
  reading: LimitReading | undefined;

  constructor(parts: ExchangeParts, options: ClippedExchangeOptions, streamUsage = false) {
    this.#parts = parts;
    this.#clipUsage = options.clipUsage;
    this.#onSkippedEvent = options.onSkippedEvent;
    this.#streamUsage = streamUsage;
    this.#caller = options.signal;
    let limitMs = options.limitMs;
    this.#timer = new ProgressTimeout(() => {
      const extensionMs = this.#isStreaming ? 0 : (options.extensionMs?.() ?? 0);
      if (extensionMs > 0) {
        limitMs += extensionMs;
        this.#timer.start(extensionMs);
        return;
      }
      this.#timeoutMessage = this.#isStreaming
        ? this.#streamTimeoutMessage()
        : `no answer within ${formatMs(limitMs)}`;
      this.#stop();
    });
    if (this.#caller.aborted) this.#stop();
    else this.#caller.addEventListener('abort', this, { once: true });
    this.#timer.start(options.limitMs);
  }

  /** Called when the caller aborts. */
  handleEvent(): void {
    this.#stop();
  }

  /** Rejects the pending step and aborts what is sent. */
  #stop(): void {
    if (this.#abort.aborted) return;
    this.#interrupt?.(new Error('stopped'));
    this.#abort.abort();
  }

  /** Resolves to a 2xx response whose body is unread. */
  async send(call: Call): Promise<TransportAnswer> {
    const { settings, dialect, transport } = this.#parts;
    const { apiKey } = settings;
    const endpoint =
      typeof apiKey === 'function'
        ? { ...settings, apiKey: await this.#askForKey(apiKey), streamUsage: this.#streamUsage }
        : dialectEndpoint(settings, apiKey, this.#streamUsage);
    const native = nativeRequest(call, this.#parts);
    const request =
      (native && dialect.responses?.({ body: native.body, stream: call.stream }, endpoint)) ??
      dialect.request(dialectCall(call), endpoint);
    if (request.dropped && request.dropped.length > 0) this.#parts.onDropped?.(request.dropped);
    const answer = await this.awaitStep(transport.send(request, call.stream, this.#abort));
    this.#isAnswered = true;
    this.reading = dialect.limits(answer.headers);
    if (answer.status >= 200 && answer.status < 300) return answer;
    const text = await this.readText(answer.body, MAX_ERROR_BYTES);
    const body = this.#parts.redactor?.redact(text) ?? text;
    throw this.failure(dialect.failure({ status: answer.status, headers: answer.headers, body }));
  }

  async #askForKey(apiKey: () => unknown): Promise<string> {
    let key: unknown;
    try {
      key = await this.awaitStep(Promise.resolve(apiKey()));
    } catch (error) {
      // The error of the app's function is not passed on, because it may contain the key.
      throw this.#abort.aborted
        ? error
        : this.failure({ class: 'connection', message: "the app's apiKey() function failed" });
    }
    if (typeof key !== 'string' || !HEADER_SAFE.test(key.trim())) {
      const got = typeof key === 'string' ? 'a string that is not a key' : typeof key;
      throw this.failure({ class: 'unauthorized', message: `apiKey() returned ${got} instead of a key` });
    }
    this.#parts.redactor?.addResolved(key.trim());
    return key;
  }

  readText(body: ResponseBody, maxBytes: number): Promise<string> {
    return this.awaitStep(body.text(maxBytes, this.#abort));
  }

  /** Whether the call is sent as a Responses request, without translation to a chat request. */
  isNative(call: Call): boolean {
    return nativeRequest(call, this.#parts) !== undefined;
  }

  readAnswer(http: HttpAnswer, call: Call): AnswerData {
    let answer: AnswerData;
    try {
      answer = this.isNative(call)
        ? (JSON.parse(http.body) as AIResponse)
        : this.#parts.dialect.answer(http, dialectCall(call));
    } catch {
      // Also reached if a dialect has failed because of deep nesting.
      throw this.failure(classifyUnreadableAnswer(http));
    }
    // An answer that is nested too deeply is refused, because the app could not serialize it again. The check comes
    // last, because the scan takes a part of the time of a parse.
    if (isTextNestedDeeper(http.body, MAX_NESTING)) throw this.failure(nestedAnswer(http.status));
    return answer;
  }

  events(call: Call, source: AsyncIterable<Uint8Array>): ChatEvents {
    if (this.isNative(call)) return readNativeEvents(source);
    const body = call.body as ChatBody;
    const { dialect } = this.#parts;
    const chunks = dialect.chunks?.bind(dialect);
    return readChatEvents(source, {
      expectUsage: this.#streamUsage,
      choices: body.n ?? 1,
      hideUsage: body.stream_options?.include_usage !== true,
      mayBeEmpty: hasStopSequence(body),
      onSkippedEvent: this.#onSkippedEvent,
      dialectChunks: chunks && ((parsed) => chunks(parsed, dialectCall(call))),
    });
  }

  /** The events after the first content. */
  rest({ deadlineAt }: Call, events: ChatEvents): ChatEvents {
    return new UpstreamEvents(events, this, { stallMs: this.#parts.settings.timeouts.stallMs, deadlineAt });
  }

  get isAborted(): boolean {
    return this.#abort.aborted;
  }

  /** Waits for an event of a stream. Rejects after `stallMs`, or earlier at the deadline, `deadlineMs` from now. */
  awaitEvent(step: Promise<EventResult>, stallMs: number, deadlineMs: number): Promise<EventResult> {
    this.#isStreaming = true;
    this.#isDeadlineNext = deadlineMs < stallMs;
    this.#timer.start(Math.max(1, Math.min(stallMs, deadlineMs)));
    return this.awaitStep(step);
  }

  /** Called when an event has arrived. */
  pauseTimer(): void {
    this.#timer.pause();
  }

  clip(event: ChatEvent): ChatEvent {
    return clipEvent(event, this.#clipUsage);
  }

  stalled(): UpstreamFailure {
    return this.failure({ class: 'timeout', message: this.#stallMessage() });
  }

  #stallMessage(): string {
    return `the stream stalled: no content for ${formatMs(this.#parts.settings.timeouts.stallMs)} (stallMs)`;
  }

  #streamTimeoutMessage(): string {
    return this.#isDeadlineNext
      ? "the call's deadline came before the end of the stream"
      : this.#stallMessage();
  }

  stopTimer(): void {
    this.#timer.stop();
  }

  /** Resolves to the result of a step. Rejects on abort even if an axios adapter ignores the signal. */
  awaitStep<T>(step: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#interrupt = reject;
      step.then(resolve, reject);
      if (this.#abort.aborted) reject(new Error('stopped'));
    });
  }

  failure(detail: FailureDetail): UpstreamFailure {
    return new UpstreamFailure(this.#redacted(detail), this.#isAnswered, this.reading);
  }

  #redacted(detail: FailureDetail): FailureDetail {
    const { redactor } = this.#parts;
    if (!redactor) return detail;
    const { message, code, type, param } = detail;
    const redact = (text?: string): string | undefined => text && redactor.redact(text);
    return {
      ...detail,
      message: redactor.redact(message),
      code: redact(code),
      type: redact(type),
      param: redact(param),
    };
  }

  toFailure(error: unknown): UpstreamFailure {
    if (error instanceof UpstreamFailure) return error;
    const message = this.#timeoutMessage;
    if (message !== undefined) return this.failure({ class: 'timeout', message });
    if (this.#caller.aborted)
      return this.failure({ class: 'aborted', message: 'the caller aborted the call' });
    return this.failure(error instanceof StreamFailure ? error.detail : classifyError(error));
  }

  /** Releases everything and closes the socket of a body that is still unread. */
  end(): void {
    this.release();
    this.#stop();
  }

  /** Releases everything, for a body that was read to its end: its connection serves the next call. */
  release(): void {
    this.#timer.stop();
    this.#caller.removeEventListener('abort', this);
  }
}

/** Two endpoint objects per settings: one for requests that don't ask for streamed usage, one for those that do. */
const dialectEndpoints = new WeakMap<ExchangeSettings, [DialectEndpoint, DialectEndpoint]>();

/** The endpoint as its dialect knows it. Created once, because settings have many fields to copy. */
function dialectEndpoint(
  settings: ExchangeSettings,
  apiKey: string | undefined,
  streamUsage: boolean,
): DialectEndpoint {
  let known = dialectEndpoints.get(settings);
  if (!known) {
    known = [
      { ...settings, apiKey, streamUsage: false },
      { ...settings, apiKey, streamUsage: true },
    ];
    dialectEndpoints.set(settings, known);
  }
  return known[streamUsage ? 1 : 0];
}

function formatMs(ms: number): string {
  return `${Math.round(ms).toLocaleString('en')} ms`;
}

/** Whether the request has a stop sequence, with which the model may stop before its first token. */
export function hasStopSequence(body: ChatBody): boolean {
  const { stop } = body as { readonly stop?: unknown };
  return (typeof stop === 'string' && stop !== '') || (Array.isArray(stop) && stop.length > 0);
}
