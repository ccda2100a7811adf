import type { AnswerPlan } from '../behavior';
import { type ChatRequest, contentSlice } from './chat-request';

/** Formats one answer as OpenAI sends it: a whole body, or the chunks of a stream. */
export class ChatAnswer {
  readonly #request: ChatRequest;
  readonly #plan: AnswerPlan;
  readonly #id: string;
  readonly #created: number;

  constructor(request: ChatRequest, plan: AnswerPlan, id: string, created: number) {
    this.#request = request;
    this.#plan = plan;
    this.#id = id;
    this.#created = created;
  }

  whole(): Record<string, unknown> {
    const choice = { index: 0, message: this.#message(), logprobs: null, finish_reason: this.#finish() };
    return { ...this.#head('chat.completion'), choices: [choice], usage: this.#usage() };
  }

  /** The first chunk: the role and, for a tool call, the function's name. */
  openingChunk(): string {
    const { content } = this.#request;
    if (content.kind !== 'tool') return this.#chunk({ role: 'assistant', content: '', refusal: null });
    const call = {
      index: 0,
      id: this.#callId(),
      type: 'function',
      function: { name: content.name, arguments: '' },
    };
    return this.#chunk({ role: 'assistant', content: null, tool_calls: [call] });
  }

  /** The chunk with tokens `from` (inclusive) to `to` (exclusive). */
  textChunk(from: number, to: number): string {
    const text = this.#text(from, to);
    if (this.#request.content.kind !== 'tool') return this.#chunk({ content: text });
    return this.#chunk({ tool_calls: [{ index: 0, function: { arguments: text } }] });
  }

  /** The finish reason, the usage if requested, and `[DONE]`. */
  closingChunks(): string {
    return this.#chunk({}, this.#finish()) + this.usageChunk() + DONE;
  }

  usageChunk(): string {
    if (!this.#request.includeUsage) return '';
    return event({ ...this.#head('chat.completion.chunk'), choices: [], usage: this.#usage() });
  }

  #chunk(delta: Record<string, unknown>, finish: string | null = null): string {
    const choice = { index: 0, delta, logprobs: null, finish_reason: finish };
    // With include_usage, every chunk except the last has a null usage.
    const usage = this.#request.includeUsage ? { usage: null } : {};
    return event({ ...this.#head('chat.completion.chunk'), choices: [choice], ...usage });
  }

  #head(object: string) {
    const model = this.#request.model;
    return { id: this.#id, object, created: this.#created, model, system_fingerprint: 'fp_simulator' };
  }

  #message(): Record<string, unknown> {
    const { content } = this.#request;
    const text = this.#text(0, this.#plan.outputTokens);
    if (content.kind !== 'tool') return { role: 'assistant', content: text, refusal: null };
    const call = { id: this.#callId(), type: 'function', function: { name: content.name, arguments: text } };
    return { role: 'assistant', content: null, tool_calls: [call], refusal: null };
  }

  #text(from: number, to: number): string {
    return contentSlice(this.#request.content, from, to, this.#request.outputTokens);
  }

  #finish(): string {
    const { content } = this.#request;
    if (this.#plan.finish === 'length') return 'length';
    return content.kind === 'tool' ? content.finish : 'stop';
  }

  #callId(): string {
    return this.#id.replace('chatcmpl-', 'call_');
  }

  #usage() {
    const { promptTokens, outputTokens } = this.#plan;
    return {
      prompt_tokens: promptTokens,
      completion_tokens: outputTokens,
      total_tokens: promptTokens + outputTokens,
      prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
    };
  }
}

export const DONE = 'data: [DONE]\n\n';

export function event(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}
