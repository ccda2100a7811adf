import { z } from 'zod';
import type { EndpointConfig } from '../provider/endpoint-config';
import { isObject } from '../util/is-object';
import { DEFAULTS } from './defaults';
import {
  burstSeconds,
  count,
  countOrZero,
  duration,
  flag,
  listOf,
  name,
  names,
  nonNegative,
  oneOf,
  optionalEach,
  options,
  positive,
  share,
  validator,
} from './validators';

/** Headers that the transport sends itself. A second value would break the framing of the request. */
const FRAMING = new Set(['content-length', 'transfer-encoding', 'connection', 'host']);
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

export const price = options({
  input: nonNegative,
  output: nonNegative,
  cachedInput: nonNegative.optional(),
});

export const capabilities = listOf(
  oneOf('chat', 'tools', 'vision', 'json_schema', 'streaming', 'embeddings'),
);
export const strengths = listOf(oneOf('chat', 'code', 'analysis', 'embedding'));

export const timeouts = optionalEach(DEFAULTS.timeouts, duration);

export const tokensPerMinute = z.union([positive, options({ input: positive, output: positive })], {
  error: 'a finite number above 0, or { input, output }',
});

const baseURL = validator<string>(
  'an http or https URL without user, password, query or fragment',
  (value) => typeof value === 'string' && isPlainHttpUrl(value),
).refine((value) => !/\/(?:chat\/completions|completions|embeddings|responses|messages)\/*$/i.test(value), {
  error:
    'the base URL alone, such as https://api.example.com/v1: the path of the operation is appended to it',
});

/** `${NAME}` and `$NAME`, which other tools expand. */
const PLACEHOLDER = /^\s*\$(?:\{[^}]*\}|[A-Z_][A-Z0-9_]*)\s*$/;

const apiKey = validator<EndpointConfig['apiKey']>(
  'a key of at least 1 character without white space, or a function that returns one',
  (value) =>
    typeof value === 'function' || (typeof value === 'string' && /^[\x21-\x7e]+$/.test(value.trim())),
).refine((value) => typeof value !== 'string' || !PLACEHOLDER.test(value), {
  error: 'the key itself, e.g. process.env.NAME: placeholders are not expanded',
});

const headers = validator<Record<string, string>>('an object of header names and values', isObject)
  .superRefine((value, context) => {
    if (!isObject(value)) return;
    for (const [header, text] of Object.entries(value)) {
      const message = headerFault(header, text);
      if (message) context.addIssue({ code: 'custom', path: [header], message });
    }
  })
  .transform((value) => ({ ...value }));

export const endpointSchema = options({
  name,
  model: name,
  provider: name.optional(),
  baseURL: baseURL.optional(),
  apiKey: apiKey.optional(),
  aliases: names.optional(),
  weight: nonNegative.optional(),
  tier: countOrZero.optional(),
  rpm: positive.optional(),
  tpm: tokensPerMinute.optional(),
  rpd: positive.optional(),
  tpd: positive.optional(),
  maxConcurrent: count.optional(),
  burstSeconds: burstSeconds.optional(),
  quotaGroup: name.optional(),
  tokensCharged: oneOf('auto', 'reserved', 'actual').optional(),
  price: price.optional(),
  contextWindow: count.optional(),
  maxOutputTokens: count.optional(),
  capabilities: capabilities.optional(),
  quality: share.optional(),
  strengths: strengths.optional(),
  tags: names.optional(),
  streamUsage: flag.optional(),
  prefill: flag.optional(),
  headers: headers.optional(),
  timeouts: timeouts.optional(),
});

function headerFault(header: string, text: unknown): string | undefined {
  if (!HEADER_NAME.test(header) || FRAMING.has(header.toLowerCase()))
    return 'a valid header name, and none that the transport sets itself';
  if (typeof text === 'string' && HEADER_VALUE.test(text)) return undefined;
  return 'a header value: a string without line breaks';
}

function isPlainHttpUrl(text: string): boolean {
  if (!URL.canParse(text) || /[?#\s]/.test(text)) return false;
  const url = new URL(text);
  const plain = url.username === '' && url.password === '' && url.hostname !== '';
  return plain && (url.protocol === 'http:' || url.protocol === 'https:');
}
