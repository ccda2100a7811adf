import type { ChatBody } from '../../call/body';
import { BoundedMap } from '../../util/bounded-map';
import { isObject } from '../../util/is-object';
import { portableId } from '../translation/tool-calls';

type Fields = Readonly<Record<string, unknown>>;

/** What an API accepts beside OpenAI's own fields. */
export interface Strictness {
  /** The ids of tool calls that it accepts, and the length of those made to fit. */
  readonly toolCallId: RegExp;
  readonly idLength: number;
}

/** OpenAI's own API, and Azure's. */
export const OPENAI: Strictness = { toolCallId: /^.{1,40}$/s, idLength: 32 };
/** Source: the API's own message, "Tool call id was call_abc but must be a-z, A-Z, 0-9, with a length of 9." */
const MISTRAL: Strictness = { toolCallId: /^[a-zA-Z0-9]{9}$/, idLength: 9 };

/**
 * APIs that refuse fields that they don't know, by host. A conversation that another provider has begun has some. Other
 * servers get the body as it is: they ignore such fields, or are the ones that made them.
 */
const STRICT_HOSTS: readonly (readonly [RegExp, Strictness])[] = [
  [/^api\.openai\.com$|\.openai\.azure\.com$|\.services\.ai\.azure\.com$|^api\.groq\.com$/, OPENAI],
  [/^api\.mistral\.ai$/, MISTRAL],
];

/** By base URL; null where a body can be sent as it is. Parsing a URL for every request would cost more than the rest. */
const known = new BoundedMap<string, Strictness | null>(1000);

/** Undefined where a body can be sent as it is. */
export function strictnessOf(baseURL: string): Strictness | undefined {
  let strictness = known.get(baseURL);
  if (strictness === undefined) {
    const host = URL.canParse(baseURL) ? new URL(baseURL).hostname : '';
    strictness = STRICT_HOSTS.find(([pattern]) => pattern.test(host))?.[1] ?? null;
    known.set(baseURL, strictness);
  }
  return strictness ?? undefined;
}

/** Fields of a message of the assistant's that Anthropic, Gemini, DeepSeek, OpenRouter or Groq have added. */
const FOREIGN_FIELDS = [
  ...['reasoning_content', 'reasoning', 'reasoning_details', 'thinking_blocks'],
  ...['extra_content', 'images', 'cache_control'],
];

/** The body without the fields of other providers, and with ids of tool calls that fit. The same object if it has none. */
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

/** Maps the objects of a list; the same list if none of them changes, or if it is none. */
function mapChanged(list: readonly Fields[], map: (item: Fields) => Fields): readonly Fields[] {
  const items: unknown = list;
  if (!Array.isArray(items)) return list;
  const mapped = list.map((item) => (isObject(item) ? map(item) : item));
  return mapped.some((item, index) => item !== list[index]) ? mapped : list;
}
