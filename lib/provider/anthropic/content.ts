import { isObject } from '../../util/is-object';
import type {
  Conversation,
  MediaPart,
  Part,
  TextPart,
  ToolResultPart,
  Turn,
} from '../translation/conversation';
import { readMedia } from '../translation/media';
import { portableId } from '../translation/tool-calls';
import type {
  Cacheable,
  CacheControl,
  MediaBlock,
  MediaSource,
  RequestBlock,
  RequestMessage,
  TextBlock,
  ToolResultBlock,
} from './wire';

const IMAGES: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp']);
/** Source: the error message of the API, "tool_use.id: String should match pattern". */
const TOOL_ID = /^[a-zA-Z0-9_-]{1,64}$/;

export function toMessages({ turns }: Conversation): RequestMessage[] {
  const messages = turns
    .map(({ role, parts }): RequestMessage => ({ role, content: inOrder(parts).map(toBlock) }))
    .filter(({ content }) => content.length > 0);
  const last = messages.at(-1);
  const end = last?.content.at(-1);
  // The API refuses a final assistant text that ends with white space. A blank one is left out already.
  if (last?.role === 'assistant' && end?.type === 'text')
    last.content[last.content.length - 1] = { ...end, text: end.text.trimEnd() };
  return messages;
}

/** Moves tool results to the start of their turn and removes blank texts: the API requires both. */
function inOrder(parts: readonly Part[]): Part[] {
  const results = parts.filter(({ kind }) => kind === 'tool-result');
  const others = parts.filter((part) => part.kind !== 'tool-result' && !isBlank(part));
  return [...results, ...others];
}

export function isBlank(part: Part): boolean {
  return part.kind === 'text' && part.text.trim() === '';
}

function toBlock(part: Part): RequestBlock {
  switch (part.kind) {
    case 'text':
      return textBlock(part);
    case 'thinking':
      return part.block as RequestBlock;
    case 'tool-call':
      return {
        type: 'tool_use',
        id: toolUseId(part.id),
        name: part.name,
        input: part.input,
        ...cacheControl(part),
      };
    case 'tool-result':
      return toolResult(part);
    default:
      return mediaBlock(part);
  }
}

export function textBlock(part: TextPart): TextBlock {
  return { type: 'text', text: part.text, ...cacheControl(part) };
}

function toolResult(part: ToolResultPart): ToolResultBlock {
  const { content } = part;
  const [only] = content;
  const isPlain = content.length === 1 && only?.kind === 'text' && only.cacheControl === undefined;
  return {
    type: 'tool_result',
    tool_use_id: toolUseId(part.id),
    content: isPlain
      ? only.text
      : content.map((item) => (item.kind === 'text' ? textBlock(item) : mediaBlock(item))),
    ...cacheControl(part),
  };
}

function mediaBlock(part: MediaPart): MediaBlock {
  if (part.kind === 'image') return { type: 'image', source: mediaSource(part), ...cacheControl(part) };
  return {
    type: 'document',
    source: mediaSource(part),
    ...(part.name === undefined ? {} : { title: part.name }),
    ...cacheControl(part),
  };
}

function mediaSource({ kind, media }: MediaPart): MediaSource {
  if (media.kind === 'url') return { type: 'url', url: media.url };
  const { mimeType, base64 } = media;
  if (kind === 'file' && isText(mimeType)) {
    return { type: 'text', media_type: 'text/plain', data: Buffer.from(base64, 'base64').toString('utf8') };
  }
  return { type: 'base64', media_type: mimeType, data: base64 };
}

function toolUseId(id: string): string {
  return portableId(id, TOOL_ID, 32);
}

function cacheControl({ cacheControl: control }: { readonly cacheControl?: unknown }): Cacheable {
  return control === undefined ? {} : { cache_control: control as CacheControl };
}

/**
 * Whether every assistant turn of the tool loop at the end of the conversation begins with a thinking block. The API
 * requires it for a request with a thinking budget.
 */
export function toolLoopHasThinking(turns: readonly Turn[]): boolean {
  for (const { role, parts } of [...turns].reverse()) {
    if (role === 'user' && !parts.some(({ kind }) => kind === 'tool-result')) return true;
    if (role === 'assistant' && parts[0]?.kind !== 'thinking') return false;
  }
  return true;
}

/**
 * Path and MIME type of the first image or file that Claude can't read, such as `messages[0].content[1] (image/bmp)`;
 * undefined if there is none.
 */
export function unsupportedMedia(messages: readonly unknown[]): string | undefined {
  for (const [at, message] of messages.entries()) {
    const content = isObject(message) && Array.isArray(message.content) ? (message.content as unknown[]) : [];
    for (const [index, part] of content.entries()) {
      const mimeType = isObject(part) ? unsupportedType(part) : undefined;
      if (mimeType !== undefined) return `messages[${at}].content[${index}] (${mimeType.slice(0, 64)})`;
    }
  }
  return undefined;
}

function unsupportedType(part: Readonly<Record<string, unknown>>): string | undefined {
  const [holder, field] =
    part.type === 'image_url'
      ? [part.image_url, 'url']
      : part.type === 'file'
        ? [part.file, 'file_data']
        : [];
  const url = field !== undefined && isObject(holder) ? holder[field] : undefined;
  const media = typeof url === 'string' ? readMedia(url.slice(0, 256)) : undefined;
  if (media?.kind !== 'data') return undefined;
  const { mimeType } = media;
  const isRead =
    part.type === 'image_url' ? IMAGES.has(mimeType) : mimeType === 'application/pdf' || isText(mimeType);
  return isRead ? undefined : mimeType;
}

function isText(mimeType: string): boolean {
  return mimeType.startsWith('text/') || mimeType === 'application/json';
}
