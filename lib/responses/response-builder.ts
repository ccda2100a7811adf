import type { ChatCompletion, ChatCompletionChunk, Usage } from '../call/answer';
import type { ResponseBody } from '../call/body';
import type { AIResponse, ResponseStreamEvent, ResponseUsage } from '../call/response';
import { type Fields, isObject } from '../util/is-object';
import { newId } from './ids';
import {
  OpenFunctionCall,
  type OpenItem,
  OpenMessage,
  OpenReasoning,
  type UnnumberedEvent,
} from './output-items';

/**
 * Builds a response from the chunks of a chat answer, together with the events that OpenAI would send for it, in their
 * order. Only the first choice is used: a Responses request can't ask for more.
 */
export class ResponseBuilder {
  readonly response: AIResponse;
  #events: ResponseStreamEvent[] = [];
  #sequence = 0;
  #isStarted = false;
  /** The message or the reasoning that is being written. */
  #open: OpenMessage | OpenReasoning | undefined;
  /**
   * Function calls by their index in the chat answer. They stay open until the end, because their pieces may come in
   * any order.
   */
  readonly #calls = new Map<number, OpenFunctionCall>();
  #finish: string | undefined;

  /** @param createdAt Unix time in seconds. Default: now. */
  constructor(request: ResponseBody, createdAt: number | undefined) {
    this.response = newResponse(request, createdAt);
  }

  /** Adds a chunk and returns its events. */
  add(chunk: ChatCompletionChunk): ResponseStreamEvent[] {
    if (typeof chunk.model === 'string' && chunk.model !== '') this.response.model = chunk.model;
    this.#start();
    if (chunk.usage) this.response.usage = toResponseUsage(chunk.usage);
    // Some servers leave out fields that the type requires.
    for (const choice of chunk.choices as Partial<ChatCompletionChunk['choices'][number]>[]) {
      if ((choice.index ?? 0) !== 0) continue;
      this.#addDelta(choice.delta ?? {});
      if (typeof choice.finish_reason === 'string') this.#finish = choice.finish_reason;
    }
    return this.#take();
  }

  /** Ends a complete answer and returns its last events. @param usage The usage, if no chunk has reported it. */
  end(usage?: Usage): ResponseStreamEvent[] {
    this.#start();
    const reason = INCOMPLETE[this.#finish ?? ''];
    this.#closeItems(reason ? 'incomplete' : 'completed');
    const { response } = this;
    if (usage) response.usage ??= toResponseUsage(usage);
    response.status = reason ? 'incomplete' : 'completed';
    response.incomplete_details = reason ? { reason } : null;
    this.#emit({ type: reason ? 'response.incomplete' : 'response.completed', response: wireCopy(response) });
    return this.#take();
  }

  /** Ends an answer that has failed and returns its last events, which contain the response so far and the error. */
  fail(message: string): ResponseStreamEvent[] {
    this.#start();
    this.response.status = 'failed';
    this.response.error = { code: 'server_error', message };
    this.#emit({ type: 'response.failed', response: wireCopy(this.response) });
    return this.#take();
  }

  #start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    for (const type of ['response.created', 'response.in_progress'])
      this.#emit({ type, response: wireCopy(this.response) });
  }

  #addDelta(delta: Fields): void {
    const reasoning = delta.reasoning_content ?? delta.reasoning;
    if (isText(reasoning)) this.#reasoning().add(reasoning);
    if (isText(delta.content)) this.#message().add('output_text', delta.content);
    if (isText(delta.refusal)) this.#message().add('refusal', delta.refusal);
    if (!Array.isArray(delta.tool_calls)) return;
    for (const [position, call] of (delta.tool_calls as unknown[]).entries())
      if (isObject(call)) this.#addToolCall(call, position);
  }

  #addToolCall(call: Fields, position: number): void {
    const index = typeof call.index === 'number' ? call.index : position;
    const called = isObject(call.function) ? call.function : {};
    let open = this.#calls.get(index);
    if (!open) {
      this.#closeOpen('completed');
      const id = isText(call.id) ? call.id : newId('fc');
      const name = isText(called.name) ? called.name : '';
      open = new OpenFunctionCall(this.response.output.length, id, name, this.#emit);
      this.#calls.set(index, open);
      this.response.output.push(open.item);
    }
    if (isText(called.arguments)) open.add(called.arguments);
  }

  #message(): OpenMessage {
    if (this.#open?.kind === 'message') return this.#open;
    return this.#replaceOpen(new OpenMessage(this.#nextIndex(), this.#emit));
  }

  #reasoning(): OpenReasoning {
    if (this.#open?.kind === 'reasoning') return this.#open;
    return this.#replaceOpen(new OpenReasoning(this.#nextIndex(), this.#emit));
  }

  /**
   * The index of the next item. Closes the open item first, because its last events come before those of the next one.
   */
  #nextIndex(): number {
    this.#closeOpen('completed');
    return this.response.output.length;
  }

  #replaceOpen<T extends OpenMessage | OpenReasoning>(item: T): T {
    this.#open = item;
    this.response.output.push(item.item);
    return item;
  }

  #closeOpen(status: 'completed' | 'incomplete'): void {
    this.#open?.close(status);
    this.#open = undefined;
  }

  #closeItems(status: 'completed' | 'incomplete'): void {
    this.#closeOpen(status);
    for (const call of this.#calls.values() as Iterable<OpenItem>) call.close(status);
    this.#calls.clear();
    this.response.output_text = outputText(this.response.output);
  }

  readonly #emit = (event: UnnumberedEvent): void => {
    this.#events.push({ ...event, sequence_number: this.#sequence++ });
  };

  #take(): ResponseStreamEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }
}

/** Converts a whole chat answer to a response. */
export function toResponse(request: ResponseBody, answer: ChatCompletion): AIResponse {
  const builder = new ResponseBuilder(request, answer.created);
  const { message, finish_reason } = answer.choices[0] as ChatCompletion['choices'][number];
  const calls = (message.tool_calls as unknown[] | undefined)?.map((call, index) => ({
    ...(call as object),
    index,
  }));
  const delta = { ...message, ...(calls ? { tool_calls: calls } : {}) };
  const choice = { index: 0, delta, finish_reason };
  builder.add({ ...answer, choices: [choice] } as unknown as ChatCompletionChunk);
  builder.end();
  return builder.response;
}

const INCOMPLETE: Readonly<Record<string, 'max_output_tokens' | 'content_filter'>> = {
  length: 'max_output_tokens',
  max_tokens: 'max_output_tokens',
  content_filter: 'content_filter',
};

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function outputText(output: AIResponse['output']): string {
  return output
    .flatMap((item) => (item.type === 'message' ? item.content : []))
    .map((part) => (part.type === 'output_text' ? part.text : ''))
    .join('');
}

/** A copy to send, without `output_text`, which clients add themselves. */
function wireCopy({ output_text: _, ...response }: AIResponse): object {
  return { ...response, output: structuredClone(response.output) };
}

function toResponseUsage(usage: Usage): ResponseUsage {
  const { prompt_tokens, completion_tokens, prompt_tokens_details, completion_tokens_details } = usage;
  return {
    input_tokens: prompt_tokens,
    input_tokens_details: { cached_tokens: prompt_tokens_details?.cached_tokens ?? 0, cache_write_tokens: 0 },
    output_tokens: completion_tokens,
    output_tokens_details: { reasoning_tokens: completion_tokens_details?.reasoning_tokens ?? 0 },
    total_tokens: prompt_tokens + completion_tokens,
  };
}

/** A response that has just begun, with the request's settings, as OpenAI repeats them. */
function newResponse(request: ResponseBody, createdAt = Math.floor(Date.now() / 1_000)): AIResponse {
  const fields = request as Fields;
  const reasoning = isObject(request.reasoning) ? request.reasoning : {};
  return {
    id: newId('resp'),
    object: 'response',
    created_at: createdAt,
    status: 'in_progress',
    background: false,
    error: null,
    incomplete_details: null,
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    model: request.model ?? 'auto',
    output: [],
    output_text: '',
    parallel_tool_calls: fields.parallel_tool_calls ?? true,
    previous_response_id: null,
    reasoning: { effort: reasoning.effort ?? null, summary: reasoning.summary ?? null },
    store: false,
    temperature: fields.temperature ?? null,
    text: { format: { type: 'text' }, ...(isObject(request.text) ? request.text : {}) },
    tool_choice: request.tool_choice ?? 'auto',
    tools: request.tools ?? [],
    top_p: fields.top_p ?? null,
    truncation: fields.truncation ?? 'disabled',
    user: fields.user ?? null,
    metadata: fields.metadata ?? {},
  } as unknown as AIResponse;
}
