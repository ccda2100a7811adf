import { isObject } from '../util/is-object';
import type { ChatBody, EmbeddingBody } from './body';
import { TextMeter } from './tokens-text';

export { ExpectedOutput } from './tokens-expected';

/** Tokens that the chat format adds per message, name, call and tool. */
const PER_MESSAGE = 4;
const PER_NAME = 1;
const PER_CALL = 3;
const PER_TOOL = 8;
/** OpenAI's published token counts: 85 in low detail; 85 and four tiles of 170 for a square image in high detail. */
const IMAGE_LOW = 85;
const IMAGE_HIGH = 765;
/** OpenAI's count for audio input. */
const AUDIO_TOKENS_PER_SECOND = 10;
/** WAV at 24 kHz and 16 bits. Compressed speech at a low 32 kbit/s, so that the duration is not underestimated. */
const WAV_BYTES_PER_SECOND = 48_000;
const COMPRESSED_BYTES_PER_SECOND = 4000;
/** A page of a document has about 30 kB and 1,500 tokens. */
const FILE_BYTES_PER_TOKEN = 20;
const MIN_FILE_TOKENS = 1500;

/**
 * Estimates the prompt tokens of a body: messages with all their parts, names, tool calls, tools and the response
 * schema, or the texts to embed. Overestimates natural languages and code slightly. At least 1, never NaN. Long texts
 * are sampled, so the time is bounded for any body.
 */
export function estimatePromptTokens(body: ChatBody | EmbeddingBody): number {
  const meter = new TextMeter();
  const tokens = 'messages' in body ? chatTokens(body, meter) : inputTokens(body.input, meter);
  return Math.max(1, Math.ceil(tokens));
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

/** Tokens of one part of a message's content. Images and audio are not counted by their base64 text. */
function partTokens(part: unknown, meter: TextMeter): number {
  if (typeof part === 'string') return meter.tokens(part);
  if (!isObject(part)) return 0;
  switch (part.type) {
    case 'text':
      return textTokens(part.text, meter);
    case 'refusal':
      return textTokens(part.refusal, meter);
    case 'image_url':
      return isObject(part.image_url) && part.image_url.detail === 'low' ? IMAGE_LOW : IMAGE_HIGH;
    case 'input_audio':
      return audioTokens(part.input_audio);
    case 'file':
      return fileTokens(part.file);
    default:
      return jsonTokens(part, meter);
  }
}

/** Tokens of a value as JSON: tools, schemas and anything without a rule of its own. */
function jsonTokens(value: unknown, meter: TextMeter): number {
  if (value === undefined || value === null) return 0;
  try {
    return textTokens(JSON.stringify(value), meter);
  } catch {
    // A value that can't be serialized (a cycle, a bigint) fails with a clear error when it is sent.
    return 0;
  }
}

function textTokens(text: unknown, meter: TextMeter): number {
  return typeof text === 'string' ? meter.tokens(text) : 0;
}

function audioTokens(audio: unknown): number {
  if (!isObject(audio)) return 0;
  const bytesPerSecond = audio.format === 'wav' ? WAV_BYTES_PER_SECOND : COMPRESSED_BYTES_PER_SECOND;
  return (base64Bytes(audio.data) / bytesPerSecond) * AUDIO_TOKENS_PER_SECOND;
}

function fileTokens(file: unknown): number {
  return Math.max(MIN_FILE_TOKENS, isObject(file) ? base64Bytes(file.file_data) / FILE_BYTES_PER_TOKEN : 0);
}

function base64Bytes(data: unknown): number {
  return typeof data === 'string' ? data.length * 0.75 : 0;
}
