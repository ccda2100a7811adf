import { rateLimitHeaders } from '../behavior';
import type { ChatAnswer } from '../server/chat-answer';
import { embeddingVectors } from '../server/embeddings';
import { bearerToken, newId } from '../server/exchange';
import { errorBody } from '../server/wire';
import { event, type Format, type RequestHead, type StreamedAnswer } from './format';

const DONE = 'data: [DONE]\n\n';

/** OpenAI's API: the format that the others are read into. */
export const openaiFormat = {
  headers: () => ({ 'x-request-id': newId('req_'), 'openai-version': '2020-10-01' }),
  processingHeader: 'openai-processing-ms',
  limits: rateLimitHeaders,
  keyOf: openaiKey,
  chatBody: (body) => body,
  isStream: (body) => body.stream === true,
  chat: (answer) => new OpenAIAnswer(answer),
  embeddings: {
    body: (body) => body,
    answer: (request) => {
      const { model, promptTokens: tokens } = request;
      const entries = () =>
        embeddingVectors(request).map((embedding, index) => ({ object: 'embedding', index, embedding }));
      const bodyWith = (data: unknown[]) => ({
        object: 'list',
        data,
        model,
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      });
      return {
        whole: () => bodyWith(entries()),
        empty: () => bodyWith([]),
        unfinished: () => bodyWith(entries()),
      };
    },
  },
  error: ({ status, message, type, code, param }) => ({
    status,
    body: errorBody(message, type, code, param ?? null),
  }),
  errorEvent: (body) => event(body),
} satisfies Format;

/** The key in `api-key`, Azure's header, or the bearer token. */
function openaiKey({ headers }: RequestHead): string {
  const azureStyle = headers['api-key'];
  return typeof azureStyle === 'string' ? azureStyle : bearerToken(headers);
}

class OpenAIAnswer implements StreamedAnswer {
  readonly #answer: ChatAnswer;

  constructor(answer: ChatAnswer) {
    this.#answer = answer;
  }

  whole() {
    return this.#whole(this.#finish());
  }

  unfinished() {
    return this.#whole(null);
  }

  empty() {
    return { ...this.whole(), choices: [] };
  }

  /** The first chunk: the role and, for a tool call, the function's name. */
  opening() {
    const { content } = this.#answer;
    if (content.kind !== 'tool') return this.#chunk({ role: 'assistant', content: '', refusal: null });
    const call = { index: 0, ...this.#toolCall(content.name, '') };
    return this.#chunk({ role: 'assistant', content: null, tool_calls: [call] });
  }

  tokens(from: number, to: number) {
    const text = this.#answer.text(from, to);
    if (this.#answer.content.kind !== 'tool') return this.#chunk({ content: text });
    return this.#chunk({ tool_calls: [{ index: 0, function: { arguments: text } }] });
  }

  /** The finish reason, the usage if requested, and `[DONE]`. */
  closing() {
    return this.#chunk({}, this.#finish()) + this.emptyStream();
  }

  emptyStream() {
    if (!this.#answer.request.includeUsage) return DONE;
    return event({ ...this.#head('chat.completion.chunk'), choices: [], usage: this.#usage() }) + DONE;
  }

  #whole(finish: string | null) {
    const choice = { index: 0, message: this.#message(), logprobs: null, finish_reason: finish };
    return { ...this.#head('chat.completion'), choices: [choice], usage: this.#usage() };
  }

  #chunk(delta: Record<string, unknown>, finish: string | null = null): string {
    const choice = { index: 0, delta, logprobs: null, finish_reason: finish };
    // With include_usage, every chunk except the last has a null usage.
    const usage = this.#answer.request.includeUsage ? { usage: null } : {};
    return event({ ...this.#head('chat.completion.chunk'), choices: [choice], ...usage });
  }

  #head(object: string) {
    const { id, created, model } = this.#answer;
    return { id: `chatcmpl-${id}`, object, created, model, system_fingerprint: 'fp_simulator' };
  }

  #message(): Record<string, unknown> {
    const { content } = this.#answer;
    const text = this.#answer.text();
    if (content.kind !== 'tool') return { role: 'assistant', content: text, refusal: null };
    const calls = [this.#toolCall(content.name, text)];
    return { role: 'assistant', content: null, tool_calls: calls, refusal: null };
  }

  #toolCall(name: string, text: string) {
    return { id: `call_${this.#answer.id}`, type: 'function', function: { name, arguments: text } };
  }

  #finish(): string {
    const { content, isCutOff } = this.#answer;
    if (isCutOff) return 'length';
    return content.kind === 'tool' ? content.finish : 'stop';
  }

  #usage() {
    const { promptTokens, outputTokens } = this.#answer;
    return {
      prompt_tokens: promptTokens,
      completion_tokens: outputTokens,
      total_tokens: promptTokens + outputTokens,
      prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
    };
  }
}
