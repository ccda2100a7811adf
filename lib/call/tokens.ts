import { isObject } from '../util/is-object';
import type { ChatBody, EmbeddingBody } from './body';
import { jsonTokens, partTokens, textTokens } from './tokens-parts';
import { TextMeter } from './tokens-text';

export { ExpectedOutput } from './tokens-expected';

/** Tokens that the chat format adds per message, name, call and tool. */
const PER_MESSAGE = 4;
const PER_NAME = 1;
const PER_CALL = 3;
const PER_TOOL = 8;

/**
 * Estimates the prompt tokens of a body: messages with all their parts, names, tool calls, tools and the response schema,
 * or the texts to embed. Overestimates natural languages and code slightly. At least 1, never NaN. Long texts are
 * sampled, so the time is bounded for any body.
 */
export function estimatePromptTokens(body: ChatBody | EmbeddingBody): number {
  const meter = new TextMeter();
  const tokens = 'messages' in body ? chatTokens(body, meter) : inputTokens(body.input, meter);
  return Number.isFinite(tokens) ? Math.max(1, Math.ceil(tokens)) : 1;
}

/** The output tokens that a body allows over all its `n` choices; undefined without a limit, 0 for embeddings. */
export function outputLimits(body: ChatBody | EmbeddingBody): { maxOutput?: number } {
  if (!('messages' in body)) return { maxOutput: 0 };
  const each = body.max_completion_tokens ?? body.max_tokens;
  if (typeof each !== 'number' || !Number.isFinite(each) || each < 0) return {};
  const choices = typeof body.n === 'number' && body.n >= 1 ? body.n : 1;
  return { maxOutput: each * choices };
}

function chatTokens(body: ChatBody, meter: TextMeter): number {
  let tokens = PER_CALL;
  for (const message of body.messages) tokens += messageTokens(message, meter);
  const { tools, response_format, functions } = body as ChatBody & { functions?: unknown };
  if (Array.isArray(tools)) tokens += PER_TOOL * tools.length + jsonTokens(tools, meter);
  tokens += jsonTokens(functions, meter);
  if (isObject(response_format)) tokens += jsonTokens(response_format.json_schema, meter);
  return tokens;
}

function messageTokens(message: unknown, meter: TextMeter): number {
  if (!isObject(message)) return 0;
  let tokens = PER_MESSAGE;
  if (Array.isArray(message.content)) {
    for (const part of message.content) tokens += partTokens(part, meter);
  } else {
    tokens += textTokens(message.content, meter);
  }
  if (message.name !== undefined) tokens += PER_NAME + textTokens(message.name, meter);
  tokens += textTokens(message.refusal, meter);
  tokens += jsonTokens(message.tool_calls, meter);
  tokens += jsonTokens(message.function_call, meter);
  return tokens;
}

/** Input of an embeddings request: one text or several, as strings or token ids. */
function inputTokens(input: unknown, meter: TextMeter): number {
  if (typeof input === 'string') return meter.tokens(input);
  if (!Array.isArray(input)) return 0;
  let tokens = 0;
  for (const item of input as unknown[]) {
    if (typeof item === 'string') tokens += meter.tokens(item);
    else tokens += Array.isArray(item) ? item.length : 1;
  }
  return tokens;
}
