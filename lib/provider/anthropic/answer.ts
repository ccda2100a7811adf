import type { ChatCompletion, FinishReason } from '../../call/answer';
import { type Fields, isObject } from '../../util/is-object';
import { textOf } from '../translation/conversation';
import { type AnswerToolCall, chatCompletion, usageOf } from '../translation/openai-answer';
import { JSON_TOOL } from './tools';
import type { StopReason, WireUsage } from './wire';

/** Converts an answer of the Messages API to an OpenAI chat completion. @throws if the answer is not an object */
export function toChatCompletion(message: unknown): ChatCompletion {
  if (!isObject(message)) throw new Error('The answer is not an object.');
  // Not a message, perhaps an error with status 200: returned unchanged, so that the balancer classifies it as a
  // failure.
  if (!Array.isArray(message.content)) return message as unknown as ChatCompletion;
  const blocks = message.content.filter(isObject);
  const texts = blocks.filter(({ type }) => type === 'text').map(({ text }) => textOf(text));
  const answers = blocks.filter(isJsonAnswer).map(({ input }) => JSON.stringify(input));
  const calls = blocks.filter((block) => block.type === 'tool_use' && !isJsonAnswer(block)).map(toToolCall);
  const thinking = blocks.filter(isThinking);
  const reasoning = thinking.map((block) => textOf(block.thinking)).join('');
  // When the answer is the input of the JSON tool, text blocks only comment on it and are left out.
  const content = answers.length > 0 ? answers[0] : texts.length > 0 ? texts.join('') : null;
  const reason = toFinishReason(message.stop_reason);
  return chatCompletion(
    { id: textOf(message.id), model: textOf(message.model) },
    [
      {
        index: 0,
        finish_reason: reason === 'tool_calls' && calls.length === 0 ? 'stop' : reason,
        message: {
          content: content ?? null,
          ...(calls.length > 0 ? { tool_calls: calls } : {}),
          ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
          ...(thinking.length > 0 ? { thinking_blocks: thinking } : {}),
        },
      },
    ],
    toUsage(message.usage),
  );
}

function toToolCall({ id, name, input }: Fields): AnswerToolCall {
  return {
    id: textOf(id),
    type: 'function',
    function: { name: textOf(name), arguments: JSON.stringify(isObject(input) ? input : {}) },
  };
}

export function isJsonAnswer({ type, name }: Fields): boolean {
  return type === 'tool_use' && name === JSON_TOOL;
}

export function isThinking({ type }: Fields): boolean {
  return type === 'thinking' || type === 'redacted_thinking';
}

const FINISH_REASONS: Readonly<Record<StopReason, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
};

export function toFinishReason(reason: unknown): FinishReason {
  return typeof reason === 'string' && Object.hasOwn(FINISH_REASONS, reason)
    ? FINISH_REASONS[reason as StopReason]
    : 'stop';
}

/** Converts usage. Anthropic counts cached input separately; OpenAI includes it in the prompt tokens. */
export function toUsage(value: unknown): ChatCompletion['usage'] {
  if (!isObject(value)) return undefined;
  const usage = value as WireUsage;
  const cached = usage.cache_read_input_tokens;
  const prompt = (usage.input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0) + (cached ?? 0);
  return usageOf(prompt, usage.output_tokens ?? 0, {
    cached,
    reasoning: usage.output_tokens_details?.thinking_tokens,
  });
}
