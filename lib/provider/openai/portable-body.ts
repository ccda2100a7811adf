import type { ChatBody } from '../../call/body';
import { BoundedMap } from '../../util/bounded-map';
import { type Fields, isObject } from '../../util/is-object';
import { portableId } from '../translation/tool-calls';

/** What an API that refuses unknown fields accepts as the id of a tool call. */
export interface Strictness {
  /** Pattern of the ids that it accepts, and the length of an id derived to fit. */
  readonly toolCallId: RegExp;
  readonly idLength: number;
}

/** OpenAI's own API, and Azure's. */
export const OPENAI: Strictness = { toolCallId: /^.{1,40}$/s, idLength: 32 };
/** Source: the API's own message, "Tool call id was call_abc but must be a-z, A-Z, 0-9, with a length of 9." */
const MISTRAL: Strictness = { toolCallId: /^[a-zA-Z0-9]{9}$/, idLength: 9 };

/**
 * APIs that refuse unknown fields, by host. A conversation that another provider has begun contains such fields. Other
 * servers get the body unchanged: they ignore these fields, or have added them themselves.
 */
const STRICT_HOSTS: readonly (readonly [RegExp, Strictness])[] = [
  [/^api\.openai\.com$|\.openai\.azure\.com$|\.services\.ai\.azure\.com$|^api\.groq\.com$/, OPENAI],
  [/^api\.mistral\.ai$/, MISTRAL],
];

/**
 * Strictness by base URL; null if a body can be sent unchanged. Parsing the URL for every request would cost more than
 * the rest of the translation.
 */
const known = new BoundedMap<string, Strictness | null>(1000);

/** The strictness of the API at a base URL; undefined if a body can be sent unchanged. */
export function strictnessOf(baseURL: string): Strictness | undefined {
  let strictness = known.get(baseURL);
  if (strictness === undefined) {
    const host = URL.canParse(baseURL) ? new URL(baseURL).hostname : '';
    strictness = STRICT_HOSTS.find(([pattern]) => pattern.test(host))?.[1] ?? null;
    known.set(baseURL, strictness);
  }
  return strictness ?? undefined;
}

/** Message fields that Anthropic, Gemini, DeepSeek, OpenRouter or Groq have added. */
const FOREIGN_FIELDS = [
  ...['reasoning_content', 'reasoning', 'reasoning_details', 'thinking_blocks'],
  ...['extra_content', 'images', 'cache_control'],
];

/**
 * Removes other providers' fields from a body and replaces tool call ids that don't fit. Returns the same object if
 * nothing changes.
 */
export function portableBody(body: ChatBody, strictness: Strictness): ChatBody {
  const messages = mapChanged(body.messages as unknown as readonly Fields[], (message) =>
    portableMessage(message, strictness),
  );
  const tools = body.tools && mapChanged(body.tools as readonly Fields[], withoutCacheControl);
  if (messages === (body.messages as unknown) && tools === body.tools) return body;
  return { ...body, messages: messages as unknown as ChatBody['messages'], ...(tools ? { tools } : {}) };
}

function portableMessage(message: Fields, strictness: Strictness): Fields {
  let next = without(message, FOREIGN_FIELDS);
  if (Array.isArray(next.content)) {
    const content = mapChanged(next.content as readonly Fields[], withoutCacheControl);
    if (content !== next.content) next = { ...next, content };
  }
  if (Array.isArray(next.tool_calls)) {
    const calls = mapChanged(next.tool_calls as readonly Fields[], (call) => portableCall(call, strictness));
    if (calls !== next.tool_calls) next = { ...next, tool_calls: calls };
  }
  return withFittingId(next, 'tool_call_id', strictness);
}

function portableCall(call: Fields, strictness: Strictness): Fields {
  return withFittingId(without(call, ['extra_content', 'cache_control']), 'id', strictness);
}

function withFittingId(fields: Fields, name: string, { toolCallId, idLength }: Strictness): Fields {
  const id = fields[name];
  if (typeof id !== 'string' || id === '' || toolCallId.test(id)) return fields;
  return { ...fields, [name]: portableId(id, toolCallId, idLength) };
}

function withoutCacheControl(fields: Fields): Fields {
  return without(fields, ['cache_control']);
}

function without(fields: Fields, names: readonly string[]): Fields {
  if (!names.some((name) => Object.hasOwn(fields, name))) return fields;
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}

/** Maps the objects of a list. Returns the same list if none of them changes, or if it is not an array. */
function mapChanged(list: readonly Fields[], map: (item: Fields) => Fields): readonly Fields[] {
  const items: unknown = list;
  if (!Array.isArray(items)) return list;
  const mapped = list.map((item) => (isObject(item) ? map(item) : item));
  return mapped.some((item, index) => item !== list[index]) ? mapped : list;
}
