import { isObject } from '../util/is-object';
import type { TextMeter } from './tokens-text';

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

/** Tokens of one part of a message's content. Images and audio are not counted by their base64 text. */
export function partTokens(part: unknown, meter: TextMeter): number {
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
export function jsonTokens(value: unknown, meter: TextMeter): number {
  if (value === undefined || value === null) return 0;
  try {
    return textTokens(JSON.stringify(value), meter);
  } catch {
    // A value that can't be serialized (a cycle, a bigint) fails with a clear error when it is sent.
    return 0;
  }
}

/** Tokens of a value if it is a string, else 0. */
export function textTokens(text: unknown, meter: TextMeter): number {
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
