import type { ChatCompletion, ChatCompletionChunk, FinishReason, ToolCall } from '../../call/answer';

/** Data that Gemini needs back from the caller, in the field that Google's OpenAI-compatible API uses for it. */
export interface ExtraContent {
  readonly google: { readonly thought_signature: string };
}

export interface AnswerToolCall extends ToolCall {
  readonly extra_content?: ExtraContent;
}

/** The message of a translated answer, with the fields that providers and their OpenAI-compatible APIs add. */
export interface AnswerMessage {
  readonly content: string | null;
  readonly refusal?: string | null;
  readonly tool_calls?: readonly AnswerToolCall[];
  readonly reasoning_content?: string;
  readonly thinking_blocks?: readonly object[];
  readonly images?: readonly object[];
  readonly extra_content?: ExtraContent;
}

export interface AnswerChoice {
  readonly index: number;
  readonly finish_reason: FinishReason | 'error';
  readonly message: AnswerMessage;
}

export interface AnswerHead {
  readonly id: string;
  readonly model: string;
}

/** A whole answer in OpenAI's format. */
export function chatCompletion(
  { id, model }: AnswerHead,
  choices: readonly AnswerChoice[],
  usage: ChatCompletion['usage'],
): ChatCompletion {
  const answer = {
    id,
    object: 'chat.completion',
    created: unixTime(),
    model,
    choices: choices.map(({ index, finish_reason, message }) => {
      const { content, refusal = null, ...more } = message;
      return {
        index,
        finish_reason,
        logprobs: null,
        message: { role: 'assistant', content, refusal, ...more },
      };
    }),
    ...(usage ? { usage } : {}),
  };
  return answer as unknown as ChatCompletion;
}

/** What one chunk adds to the message of a choice. */
export type Delta = ChatCompletionChunk['choices'][number]['delta'] &
  Pick<AnswerMessage, 'reasoning_content' | 'thinking_blocks' | 'images' | 'extra_content'>;

/** Makes the chunks of one streamed answer. */
export class ChunkWriter {
  readonly #created = unixTime();
  /** Choices that have begun. Only the first chunk of a choice contains its role. */
  readonly #begun = new Set<number>();

  constructor(readonly head: AnswerHead) {}

  delta(index: number, delta: Delta): ChatCompletionChunk {
    const isFirst = !this.#begun.has(index);
    this.#begun.add(index);
    return this.#chunk([
      { index, finish_reason: null, delta: isFirst ? { role: 'assistant', ...delta } : delta },
    ]);
  }

  finish(index: number, reason: FinishReason): ChatCompletionChunk {
    return this.#chunk([{ index, finish_reason: reason, delta: {} }]);
  }

  usage(usage: NonNullable<ChatCompletionChunk['usage']>): ChatCompletionChunk {
    return { ...this.#chunk([]), usage };
  }

  #chunk(choices: ChatCompletionChunk['choices']): ChatCompletionChunk {
    const { id, model } = this.head;
    return { id, object: 'chat.completion.chunk', created: this.#created, model, choices };
  }
}

function unixTime(): number {
  return Math.floor(Date.now() / 1000);
}

/** A number of tokens; null or undefined if the provider doesn't report it. */
export type TokenCount = number | null | undefined;

/** Usage in OpenAI's format: `prompt_tokens` includes cached ones, `completion_tokens` includes reasoning. */
export function usageOf(
  prompt: number,
  completion: number,
  { cached, reasoning }: { readonly cached?: TokenCount; readonly reasoning?: TokenCount },
): NonNullable<ChatCompletion['usage']> {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    ...(typeof cached === 'number' ? { prompt_tokens_details: { cached_tokens: cached } } : {}),
    ...(typeof reasoning === 'number' ? { completion_tokens_details: { reasoning_tokens: reasoning } } : {}),
  };
}
