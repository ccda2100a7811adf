import { randomUUID } from 'node:crypto';
import type { ChatCompletion, FinishReason } from '../../call/answer';
import { type Fields, isObject } from '../../util/is-object';
import { textOf } from '../translation/conversation';
import {
  type AnswerChoice,
  type AnswerHead,
  type AnswerToolCall,
  chatCompletion,
  type ExtraContent,
  usageOf,
} from '../translation/openai-answer';

/** Converts an answer of generateContent to an OpenAI chat completion. @throws if the answer is not an object */
export function toChatCompletion(answer: unknown): ChatCompletion {
  if (!isObject(answer)) throw new Error('The answer is not an object.');
  const candidates = candidatesOf(answer);
  // An error or a refused prompt: returned unchanged, so that the balancer classifies it as a failure.
  if (candidates.length === 0) return answer as unknown as ChatCompletion;
  const choices = candidates.map((candidate, position) => toChoice(candidate, position));
  return chatCompletion(headOf(answer), choices, toUsage(answer.usageMetadata));
}

export function headOf(answer: Fields): AnswerHead {
  return { id: textOf(answer.responseId) || randomUUID(), model: textOf(answer.modelVersion) };
}

export function candidatesOf(answer: Fields): Fields[] {
  return Array.isArray(answer.candidates) ? answer.candidates.filter(isObject) : [];
}

export function indexOf({ index }: Fields, position: number): number {
  return typeof index === 'number' ? index : position;
}

function toChoice(candidate: Fields, position: number): AnswerChoice {
  let content: string | null = null;
  let reasoning = '';
  const calls: AnswerToolCall[] = [];
  const images: object[] = [];
  let extra: ExtraContent | undefined;
  for (const part of partsOf(candidate)) {
    const read = readPart(part);
    if (read.kind === 'text') {
      content = (content ?? '') + read.text;
      extra = read.extra ?? extra;
    }
    if (read.kind === 'thought') reasoning += read.text;
    else if (read.kind === 'call') calls.push(read.call);
    else if (read.kind === 'image') images.push(read.image);
  }
  return {
    index: indexOf(candidate, position),
    finish_reason: toFinishReason(candidate.finishReason, calls.length > 0),
    message: {
      content,
      ...(calls.length > 0 ? { tool_calls: calls } : {}),
      ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
      ...(images.length > 0 ? { images } : {}),
      ...(extra ? { extra_content: extra } : {}),
    },
  };
}

export function partsOf({ content }: Fields): Fields[] {
  return isObject(content) && Array.isArray(content.parts) ? content.parts.filter(isObject) : [];
}

export type AnswerPart =
  | { readonly kind: 'text'; readonly text: string; readonly extra: ExtraContent | undefined }
  | { readonly kind: 'thought'; readonly text: string }
  | { readonly kind: 'call'; readonly call: AnswerToolCall }
  | { readonly kind: 'image'; readonly image: object }
  | { readonly kind: 'other' };

export function readPart(part: Fields): AnswerPart {
  if (typeof part.text === 'string') {
    return part.thought === true
      ? { kind: 'thought', text: part.text }
      : { kind: 'text', text: part.text, extra: extraContent(part.thoughtSignature) };
  }
  if (isObject(part.functionCall))
    return { kind: 'call', call: toToolCall(part.functionCall, part.thoughtSignature) };
  if (isObject(part.inlineData)) {
    const { mimeType, data } = part.inlineData;
    const url = `data:${textOf(mimeType)};base64,${textOf(data)}`;
    return { kind: 'image', image: { type: 'image_url', image_url: { url } } };
  }
  return { kind: 'other' };
}

/** Converts a function call. A call without an id gets a random one. */
function toToolCall({ id, name, args }: Fields, signature: unknown): AnswerToolCall {
  const extra = extraContent(signature);
  return {
    id: textOf(id) || `call_${randomUUID().replaceAll('-', '').slice(0, 24)}`,
    type: 'function',
    function: { name: textOf(name), arguments: JSON.stringify(isObject(args) ? args : {}) },
    ...(extra ? { extra_content: extra } : {}),
  };
}

function extraContent(signature: unknown): ExtraContent | undefined {
  return typeof signature === 'string' && signature !== ''
    ? { google: { thought_signature: signature } }
    : undefined;
}

const FILTERED: ReadonlySet<unknown> = new Set([
  ...['SAFETY', 'RECITATION', 'BLOCKLIST', 'PROHIBITED_CONTENT', 'SPII', 'LANGUAGE'],
  ...['IMAGE_SAFETY', 'IMAGE_PROHIBITED_CONTENT', 'IMAGE_RECITATION', 'MODEL_ARMOR'],
]);
/** Reasons after which another attempt may succeed, such as a malformed function call. */
const FAILED: ReadonlySet<unknown> = new Set([
  ...[
    'MALFORMED_FUNCTION_CALL',
    'UNEXPECTED_TOOL_CALL',
    'TOO_MANY_TOOL_CALLS',
    'OTHER',
    'NO_IMAGE',
    'IMAGE_OTHER',
  ],
]);

/**
 * Converts a finish reason. Returns 'error', which OpenAI's API doesn't have, for an answer that the balancer must
 * classify as `bad_answer`.
 */
export function toFinishReason(reason: unknown, hasCalls: boolean): FinishReason | 'error' {
  if (FILTERED.has(reason)) return 'content_filter';
  if (FAILED.has(reason)) return 'error';
  if (reason === 'MAX_TOKENS') return 'length';
  return hasCalls ? 'tool_calls' : 'stop';
}

/** Converts usage. Gemini counts thinking tokens separately; OpenAI includes them in the completion tokens. */
export function toUsage(value: unknown): ChatCompletion['usage'] {
  if (!isObject(value)) return undefined;
  const count = (name: string): number => (typeof value[name] === 'number' ? value[name] : 0);
  const prompt = count('promptTokenCount') + count('toolUsePromptTokenCount');
  const completion = count('candidatesTokenCount') + count('thoughtsTokenCount');
  if (prompt === 0 && completion === 0) return undefined;
  const { cachedContentTokenCount: cached, thoughtsTokenCount: reasoning } = value;
  return usageOf(prompt, completion, { cached: cached as number, reasoning: reasoning as number });
}
