import type { ChatMessage } from '../../call/body';
import { type Fields, isObject } from '../../util/is-object';
import { type Media, readMedia } from './media';
import { parseArguments } from './tool-calls';

/** A text. `cacheControl` is Anthropic's `cache_control`, as the caller wrote it. */
export interface TextPart {
  readonly kind: 'text';
  readonly text: string;
  /** Gemini's thought signature. */
  readonly signature?: string;
  readonly cacheControl?: unknown;
}

export interface MediaPart {
  readonly kind: 'image' | 'audio' | 'file';
  readonly media: Media;
  /** Name of a file. */
  readonly name?: string;
  readonly cacheControl?: unknown;
}

export interface ToolCallPart {
  readonly kind: 'tool-call';
  readonly id: string;
  readonly name: string;
  readonly input: Record<string, unknown>;
  /** Gemini's thought signature. */
  readonly signature?: string;
  readonly cacheControl?: unknown;
}

export interface ToolResultPart {
  readonly kind: 'tool-result';
  readonly id: string;
  /** Name of the function that was called. */
  readonly name: string;
  readonly content: readonly (TextPart | MediaPart)[];
  readonly cacheControl?: unknown;
}

/** A model's thinking in its provider's own format: an Anthropic thinking block. */
export interface ThinkingPart {
  readonly kind: 'thinking';
  readonly block: Readonly<Record<string, unknown>>;
}

export type Part = TextPart | MediaPart | ToolCallPart | ToolResultPart | ThinkingPart;

export interface Turn {
  readonly role: 'user' | 'assistant';
  readonly parts: Part[];
}

/** A conversation in turns: system messages are separate, and consecutive messages of one side form one turn. */
export interface Conversation {
  readonly system: TextPart[];
  readonly turns: Turn[];
}

/**
 * Reads OpenAI's messages. System and developer messages are collected in `system`, wherever they occur, because other
 * providers have one system prompt. Tool results are part of the user's turn. Empty texts are left out.
 */
export function readConversation(messages: readonly ChatMessage[]): Conversation {
  const system: TextPart[] = [];
  const turns: Turn[] = [];
  const toolNames = new Map<string, string>();
  for (const message of messages as readonly unknown[] as readonly Fields[]) {
    if (message.role === 'system' || message.role === 'developer') {
      for (const part of contentParts(message)) if (part.kind === 'text') system.push(part);
      continue;
    }
    const role = message.role === 'assistant' ? 'assistant' : 'user';
    const parts = partsOfMessage(message, toolNames);
    const last = turns.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else if (parts.length > 0) turns.push({ role, parts });
  }
  // Makes the system messages a user turn if there are no others: OpenAI answers such a conversation, other providers
  // require a user turn.
  if (turns.length === 0 && system.length > 0) turns.push({ role: 'user', parts: system.splice(0) });
  return { system, turns };
}

function partsOfMessage(message: Fields, toolNames: Map<string, string>): Part[] {
  if (message.role === 'tool') {
    const id = textOf(message.tool_call_id);
    const name = toolNames.get(id) ?? (textOf(message.name) || 'unknown');
    const cache = cacheOf(message);
    return [{ kind: 'tool-result', id, name, content: contentParts({ content: message.content }), ...cache }];
  }
  if (message.role !== 'assistant') return contentParts(message);
  const parts: Part[] = thinkingParts(message);
  parts.push(...contentParts(message));
  const signature = thoughtSignature(message);
  const last = parts.at(-1);
  if (signature !== undefined && last?.kind === 'text') parts[parts.length - 1] = { ...last, signature };
  if (textOf(message.refusal) !== '') parts.push({ kind: 'text', text: textOf(message.refusal) });
  for (const call of listOf(message.tool_calls)) {
    const part = toolCallPart(call);
    toolNames.set(part.id, part.name);
    parts.push(part);
  }
  return parts;
}

function thinkingParts(message: Fields): ThinkingPart[] {
  return listOf(message.thinking_blocks).map((block) => ({ kind: 'thinking', block }));
}

function toolCallPart(call: Fields): ToolCallPart {
  const called = isObject(call.function) ? call.function : {};
  const signature = thoughtSignature(call);
  return {
    kind: 'tool-call',
    id: textOf(call.id),
    name: textOf(called.name),
    input: parseArguments(called.arguments),
    ...(signature === undefined ? {} : { signature }),
    ...cacheOf(call),
  };
}

/**
 * Gemini's thought signature, from where its OpenAI-compatible API puts it: `extra_content.google.thought_signature`.
 */
function thoughtSignature({ extra_content: extra }: Fields): string | undefined {
  const google = isObject(extra) ? extra.google : undefined;
  const signature = isObject(google) ? google.thought_signature : undefined;
  return typeof signature === 'string' && signature !== '' ? signature : undefined;
}

function contentParts(message: Fields): (TextPart | MediaPart)[] {
  const { content } = message;
  const list: readonly unknown[] =
    typeof content === 'string' ? [{ type: 'text', text: content }] : Array.isArray(content) ? content : [];
  const parts = list.filter(isObject).flatMap((part) => contentPart(part) ?? []);
  const last = parts.at(-1);
  // A `cache_control` of the message applies to its last part.
  if (last && last.cacheControl === undefined) parts[parts.length - 1] = { ...last, ...cacheOf(message) };
  return parts;
}

/** Converts a content part; undefined for an empty text, and for a part of an unknown type. */
function contentPart(part: Fields): TextPart | MediaPart | undefined {
  const cache = cacheOf(part);
  switch (part.type) {
    case 'text':
    case 'refusal': {
      const text = textOf(part.type === 'text' ? part.text : part.refusal);
      return text === '' ? undefined : { kind: 'text', text, ...cache };
    }
    case 'image_url':
      return { kind: 'image', media: readMedia(imageUrl(part)), ...cache };
    case 'input_audio': {
      const { data, format } = isObject(part.input_audio) ? part.input_audio : ({} as Fields);
      const mimeType = `audio/${textOf(format) || 'wav'}`;
      return { kind: 'audio', media: { kind: 'data', mimeType, base64: textOf(data) }, ...cache };
    }
    case 'file': {
      const { file_data: data, filename } = isObject(part.file) ? part.file : ({} as Fields);
      const name = textOf(filename);
      const named = name === '' ? {} : { name };
      return { kind: 'file', media: readMedia(textOf(data)), ...named, ...cache };
    }
    default:
      return undefined;
  }
}

export function imageUrl({ image_url: image }: Fields): string {
  return textOf(isObject(image) ? image.url : image);
}

function cacheOf({ cache_control: control }: Fields): { readonly cacheControl?: unknown } {
  return isObject(control) ? { cacheControl: control } : {};
}

function listOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
