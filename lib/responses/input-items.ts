import type { ChatMessage } from '../call/body';
import { badRequest } from '../errors';
import { type Fields, isObject } from '../util/is-object';

/**
 * Thrown if a Responses request can't be translated to a chat request. Names the field that only the Responses API
 * understands.
 */
export class NativeOnly extends Error {
  constructor(readonly field: string) {
    super(field);
  }
}

/** Chat roles by the role of an item. Not every compatible server knows 'developer'. */
const ROLES: Readonly<Record<string, string>> = {
  user: 'user',
  assistant: 'assistant',
  system: 'system',
  developer: 'system',
};

/** Converts the items of a conversation to chat messages. */
export function toMessages(items: readonly unknown[]): ChatMessage[] {
  const messages: ChatMessage[] = [];
  for (const [index, item] of items.entries()) addItem(messages, item as Fields, `input[${index}]`);
  return messages;
}

function addItem(messages: ChatMessage[], item: Fields, path: string): void {
  switch (item.type ?? 'message') {
    case 'message':
      addMessage(messages, item, path);
      return;
    case 'function_call':
      addFunctionCall(messages, item, path);
      return;
    case 'function_call_output':
      messages.push({
        role: 'tool',
        tool_call_id: textField(item, 'call_id', path),
        content: toolOutput(item.output, path),
      } as ChatMessage);
      return;
    case 'reasoning':
      // Reasoning items are left out: chat requests have no field for reasoning, and the models don't need it.
      return;
    default:
      throw new NativeOnly(`${path}.type`);
  }
}

function addMessage(messages: ChatMessage[], { role, content }: Fields, path: string): void {
  const known = typeof role === 'string' && Object.hasOwn(ROLES, role) ? ROLES[role] : undefined;
  if (known === undefined) throw badRequest(`${path}.role`, 'expected user, assistant, system or developer');
  if (known === 'assistant') {
    messages.push(assistantMessage(content, path));
    return;
  }
  if (typeof content === 'string') {
    messages.push({ role: known, content });
    return;
  }
  const parts = contentParts(content, path);
  messages.push({ role: known, content: isOneText(parts) ? parts[0].text : parts });
}

function assistantMessage(content: unknown, path: string): ChatMessage {
  if (typeof content === 'string') return { role: 'assistant', content };
  let text = '';
  let refusal = '';
  for (const part of partsOf(content, path)) {
    if (part.type === 'output_text' || part.type === 'input_text' || part.type === 'text')
      text += textOf(part.text);
    else if (part.type === 'refusal') refusal += textOf(part.refusal);
    else throw new NativeOnly(`${path}.content`);
  }
  return { role: 'assistant', content: text, ...(refusal === '' ? {} : { refusal }) };
}

/**
 * Adds a function call to the preceding assistant message, so that parallel calls and the text before them form one
 * message.
 */
function addFunctionCall(messages: ChatMessage[], item: Fields, path: string): void {
  const call = {
    id: textField(item, 'call_id', path),
    type: 'function',
    function: { name: textField(item, 'name', path), arguments: textOf(item.arguments) },
  };
  const last = messages.at(-1);
  if (last?.role !== 'assistant') {
    messages.push({ role: 'assistant', content: null, tool_calls: [call] } as ChatMessage);
    return;
  }
  const content = last.content === '' ? null : last.content;
  messages[messages.length - 1] = {
    ...last,
    content,
    tool_calls: [...((last as { tool_calls?: readonly unknown[] }).tool_calls ?? []), call],
  } as ChatMessage;
}

function toolOutput(output: unknown, path: string): unknown {
  if (typeof output === 'string') return output;
  if (output === undefined || output === null) return '';
  if (!Array.isArray(output)) return JSON.stringify(output);
  const parts = contentParts(output, path, 'output');
  return isOneText(parts) ? parts[0].text : parts;
}

interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

function isOneText(parts: readonly unknown[]): parts is readonly [TextPart] {
  return parts.length === 1 && (parts[0] as Fields).type === 'text';
}

function contentParts(content: unknown, path: string, field = 'content'): Fields[] {
  return partsOf(content, path, field).map((part) => contentPart(part, `${path}.${field}`));
}

function contentPart(part: Fields, path: string): Fields {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return { type: 'text', text: textOf(part.text) };
    case 'input_image': {
      if (typeof part.image_url !== 'string') throw new NativeOnly(path);
      const detail = typeof part.detail === 'string' ? { detail: part.detail } : {};
      return { type: 'image_url', image_url: { url: part.image_url, ...detail } };
    }
    case 'input_file': {
      if (typeof part.file_data !== 'string') throw new NativeOnly(path);
      return { type: 'file', file: { filename: part.filename ?? 'file', file_data: part.file_data } };
    }
    case 'input_audio':
      return { type: 'input_audio', input_audio: part.input_audio };
    default:
      throw new NativeOnly(path);
  }
}

function partsOf(content: unknown, path: string, field = 'content'): Fields[] {
  if (Array.isArray(content) && content.every(isObject)) return content;
  throw badRequest(`${path}.${field}`, 'expected a string or an array of parts');
}

function textField(item: Fields, field: string, path: string): string {
  const value = item[field];
  if (typeof value === 'string' && value !== '') return value;
  throw badRequest(`${path}.${field}`, 'expected a string that is not empty');
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
