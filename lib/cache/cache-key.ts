import { createHash } from 'node:crypto';
import type { ChatBody } from '../call/body';
import type { Call } from '../call/call';
import { isObject } from '../util/is-object';
import type { ResolvedCacheOptions } from './options';

/** Fields that change how an answer is delivered, but not the answer itself. */
const DELIVERY_FIELDS = ['stream', 'stream_options'];

/**
 * Whether the answer to this call may be stored and served to equal calls.
 *
 * @param calls the configuration's `cache.calls`
 * @param option the call's own `cache` option, which overrides that
 */
export function isCacheable(
  { operation, body, responses }: Call,
  calls: ResolvedCacheOptions['calls'],
  option: boolean | undefined,
): boolean {
  // Responses calls are not cached, because some endpoints answer them natively and others with a translated chat
  // answer.
  if (responses) return false;
  if (option !== undefined) return option;
  if (calls === 'all') return true;
  const { temperature, seed } = body as ChatBody & { readonly seed?: unknown };
  return operation === 'embeddings' || temperature === 0 || typeof seed === 'number';
}

/**
 * The cache key of a call; undefined for a body that is not JSON. Equal keys mean the same tenant, the same body in any
 * order of its fields, and the same restrictions on which endpoint may answer.
 */
export function cacheKey(call: Call): string | undefined {
  return keyOf(call, omit(call.body, DELIVERY_FIELDS));
}

/** The cache key of one input of an embeddings call. */
export function inputKey(call: Call, input: unknown): string | undefined {
  return keyOf(call, { ...call.body, input });
}

function keyOf({ operation, context, fallbacks, endpoint }: Call, body: object): string | undefined {
  const { tenant, tags, minQuality, maxCostPer1k, type } = context;
  try {
    const text = canonical([
      operation,
      body,
      { tenant, tags, minQuality, maxCostPer1k, type },
      fallbacks,
      endpoint,
    ]);
    return createHash('sha256').update(text).digest('base64url');
  } catch {
    return undefined;
  }
}

/** JSON with sorted fields. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (!isObject(part) || Array.isArray(part)) return part;
    const names = Object.keys(part).sort();
    return Object.fromEntries(names.map((name) => [name, part[name]]));
  });
}

function omit(body: object, fields: readonly string[]): object {
  return Object.fromEntries(Object.entries(body).filter(([name]) => !fields.includes(name)));
}
