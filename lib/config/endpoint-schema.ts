import { z } from 'zod';
import type { EndpointConfig } from '../provider/endpoint-config';
import { isObject } from '../util/is-object';
import { DEFAULTS } from './defaults';
import * as v from './validators';

/** Headers that the transport sets itself. A configured value would break the framing of the request. */
const FRAMING = new Set(['content-length', 'transfer-encoding', 'connection', 'host']);
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

export const price = v.options({
  input: v.nonNegative,
  output: v.nonNegative,
  cachedInput: v.nonNegative.optional(),
});

/** Validators of the limits in US dollars, which everything that has a budget uses. */
export const spendLimits = { usdPerHour: v.dollars, usdPerDay: v.dollars, usdPerMonth: v.dollars };

export const capabilities = v.listOf(
  v.oneOf('chat', 'tools', 'vision', 'json_schema', 'streaming', 'embeddings', 'responses'),
);
export const strengths = v.listOf(v.oneOf('chat', 'code', 'analysis', 'embedding'));

export const timeouts = v.partialOf(DEFAULTS.timeouts, v.duration);

export const tokensPerMinute = z.union([v.positive, v.options({ input: v.positive, output: v.positive })], {
  error: 'a finite number above 0, or { input, output }',
});

const baseURL = v
  .validator<string>(
    'an http or https URL without user, password, query or fragment',
    (value) => value === '' || (typeof value === 'string' && isPlainHttpUrl(value)),
  )
  .refine((value) => value !== '', { error: 'an http or https URL (is the environment variable set?)' })
  .refine((value) => !/\/(?:chat\/completions|completions|embeddings|responses|messages)\/*$/i.test(value), {
    error:
      'the base URL alone, such as https://api.example.com/v1: the path of the operation is appended to it',
  });

/** Matches `${NAME}` and `$NAME`, which other tools replace by an environment variable. */
const PLACEHOLDER = /^\s*\$(?:\{[^}]*\}|[A-Z_][A-Z0-9_]*)\s*$/;

const apiKey = v
  .validator<EndpointConfig['apiKey']>(
    "a key of at least 1 character without white space or 'Bearer', or a function that returns one",
    (value) =>
      typeof value === 'function' || (typeof value === 'string' && /^[\x21-\x7e]+$/.test(value.trim())),
  )
  .refine((value) => typeof value !== 'string' || !PLACEHOLDER.test(value), {
    error: 'the key itself, e.g. process.env.NAME: placeholders are not expanded',
  })
  .refine((value) => value !== 'undefined' && value !== 'null', {
    error: "a key, not the word 'undefined' or 'null' (is the environment variable set?)",
  });

const headers = v
  .validator<Record<string, string>>('an object of header names and values', isObject)
  .superRefine((value, context) => {
    if (!isObject(value)) return;
    for (const [header, text] of Object.entries(value)) {
      const message = headerFault(header, text);
      if (message) context.addIssue({ code: 'custom', path: [header], message });
    }
  })
  .transform((value) => ({ ...value }));

const PRESET_NOT_SPREAD = 'an object; spread the array that a preset returns, as in [...openai({ apiKey })]';

export const endpointSchema = v.options(
  {
    name: v.name,
    model: v.name,
    ...v.optional({
      provider: v.name,
      baseURL,
      deployment: v.name, // terms-ok: Azure's word
      apiVersion: v.name,
      apiKey,
      aliases: v.names,
      weight: v.nonNegative,
      tier: v.countOrZero,
      rpm: v.positive,
      tpm: tokensPerMinute,
      rpd: v.positive,
      tpd: v.positive,
      ...spendLimits,
      maxConcurrent: v.count,
      burstSeconds: v.burstSeconds,
      quotaGroup: v.name,
      tokensCharged: v.oneOf('auto', 'reserved', 'actual'),
      price,
      contextWindow: v.count,
      maxOutputTokens: v.count,
      capabilities,
      quality: v.share,
      strengths,
      tags: v.names,
      streamUsage: v.flag,
      prefill: v.flag,
      headers,
      timeouts,
    }),
  },
  (value) => (Array.isArray(value) ? PRESET_NOT_SPREAD : 'an object'),
);

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
