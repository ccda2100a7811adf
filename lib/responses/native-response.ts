import type { ChatCompletionChunk, Usage } from '../call/answer';
import type { AIResponse, ResponseStreamEvent } from '../call/response';
import { classifyEmbeddedError } from '../failure/check-answer';
import type { FailureDetail } from '../failure/detail';
import type { ChatEvent } from '../stream/chat-event';
import type { SseFrame } from '../stream/sse/sse-frame';
import { readUsage } from '../stream/usage';
import { type Fields, isObject } from '../util/is-object';

/** Whether an answer is a response of the Responses API rather than a chat completion. */
export function isNativeResponse(answer: unknown): answer is AIResponse {
  return isObject(answer) && answer.object === 'response';
}

/** The usage that a response reports, in the format of chat completions. */
export function responseUsage(response: unknown): Usage | undefined {
  const usage = isObject(response) ? response.usage : undefined;
  if (!isObject(usage)) return undefined;
  const { input_tokens, output_tokens, total_tokens, input_tokens_details, output_tokens_details } = usage;
  return readUsage({
    usage: {
      prompt_tokens: input_tokens,
      completion_tokens: output_tokens,
      total_tokens,
      prompt_tokens_details: input_tokens_details,
      completion_tokens_details: output_tokens_details,
    },
  });
}

/** The fault because of which a response is not a usable answer; undefined if it is one. */
export function findResponseFault(answer: unknown, status: number): FailureDetail | undefined {
  if (!isObject(answer)) return badAnswer(status, 'invalid_json', 'The answer is not a JSON object');
  if (Boolean(answer.error) || answer.status === 'failed') {
    const detail = failureOf(answer);
    return { ...detail, class: detail.class === 'server' ? 'bad_answer' : detail.class, status };
  }
  if (!Array.isArray(answer.output) || !answer.output.every(isObject))
    return badAnswer(status, 'no_output', 'The response has no output');
  if (answer.output.length === 0 && answer.status === 'completed')
    return badAnswer(status, 'empty_answer', 'The response has no content');
  return undefined;
}

/** All generated text: texts, refusals, reasoning, names and arguments of functions. */
export function generatedInResponse({ output }: AIResponse): string {
  return (output as readonly Fields[])
    .map(({ content, summary, name, arguments: written }) =>
      [...partsOf(content), ...partsOf(summary)]
        .map(({ text, refusal }) => stringOf(text) + stringOf(refusal))
        .concat(stringOf(name), stringOf(written))
        .join(''),
    )
    .join('');
}

/** Types of the events that precede any generated content. */
const OPENING = new Set(['response.created', 'response.queued', 'response.in_progress', 'keepalive', 'ping']);
const ENDING = new Set(['response.completed', 'response.incomplete']);
/** Types of the events with which an answer fails or is cancelled by somebody else. */
const FAILING = new Set(['error', 'response.failed', 'response.cancelled']);

/** An event of a Responses API's stream, with the properties that the balancer reads of every stream's events. */
export class NativeEvent implements ChatEvent {
  readonly raw: Uint8Array | undefined;
  readonly chunk: ChatCompletionChunk;
  readonly hasContent: boolean;
  readonly hasFinishReason: boolean;
  readonly isHidden = false;
  readonly usage: Usage | undefined;
  readonly text: string;
  readonly generated: string;

  constructor(
    readonly native: ResponseStreamEvent,
    frame?: SseFrame,
  ) {
    const { type, delta, response } = native;
    this.raw = frame?.raw;
    this.hasFinishReason = ENDING.has(type);
    this.hasContent = !OPENING.has(type) && !this.hasFinishReason;
    this.usage = this.hasFinishReason ? responseUsage(response) : undefined;
    this.generated = typeof delta === 'string' ? delta : '';
    this.text = type === 'response.output_text.delta' ? this.generated : '';
    this.chunk = emptyChunk(response);
  }
}

/** The failure that an event reports; undefined if it reports none. */
export function failureInEvent(event: Fields): FailureDetail | undefined {
  if (!FAILING.has(String(event.type))) return isObject(event.error) ? failureOf(event) : undefined;
  return failureOf(isObject(event.response) ? event.response : event);
}

/** Makes stream events of a whole response, which an upstream has sent although a stream was requested. */
export function eventsOfResponse(response: AIResponse): NativeEvent[] {
  const events: Omit<ResponseStreamEvent, 'sequence_number'>[] = [];
  const { output_text: _, ...whole } = response;
  const opened = { ...whole, status: 'in_progress', output: [] };
  events.push({ type: 'response.created', response: opened });
  for (const [output_index, item] of response.output.entries()) {
    events.push({ type: 'response.output_item.added', output_index, item });
    events.push({ type: 'response.output_item.done', output_index, item });
  }
  const type = response.status === 'incomplete' ? 'response.incomplete' : 'response.completed';
  events.push({ type, response: whole });
  return events.map(
    (event, sequence_number) => new NativeEvent({ ...event, sequence_number } as ResponseStreamEvent),
  );
}

function failureOf(holder: Fields): FailureDetail {
  const { error } = holder;
  return classifyEmbeddedError(
    isObject(error) ? { error } : { error: { message: 'The response failed', ...holder } },
  );
}

/** A chunk with the id and the model of the answer, and none of its content. */
function emptyChunk(response: unknown): ChatCompletionChunk {
  const { id, created_at, model } = isObject(response) ? response : ({} as Fields);
  return {
    id: stringOf(id),
    object: 'chat.completion.chunk',
    created: typeof created_at === 'number' ? created_at : 0,
    model: stringOf(model),
    choices: [],
  };
}

function partsOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function badAnswer(status: number, code: string, message: string): FailureDetail {
  return { class: 'bad_answer', status, code, message };
}
