import type { WindowSpan } from './window-span';

/** What a window counts. */
export type Unit = 'requests' | 'tokens' | 'inputTokens' | 'outputTokens';

/** Where the value of one header belongs. */
export interface RateLimitHeader {
  /** Headers of one group make one window. */
  readonly group: string;
  readonly part: 'limit' | 'remaining' | 'reset';
  readonly unit: Unit;
  /** Said by the header's name; otherwise worked out from the figures. */
  readonly span: WindowSpan | undefined;
}

/** The units' names on the wire. */
export const UNITS: Readonly<Record<string, Unit>> = {
  requests: 'requests',
  req: 'requests',
  request: 'requests',
  tokens: 'tokens',
  token: 'tokens',
  'input-tokens': 'inputTokens',
  'output-tokens': 'outputTokens',
};

/** The group of the IETF draft's older, split fields. */
export const SPLIT_GROUP = 'ietf';

// x-ratelimit-limit-requests, x-ratelimit-remaining-tokens-minute, x-ratelimit-limit-req-minute
const OPENAI =
  /^x-ratelimit-(limit|remaining|reset)(?:-(requests|tokens|req|input-tokens|output-tokens)(?:-(minute|day|hour|month))?)?$/;
// anthropic-ratelimit-input-tokens-remaining
const ANTHROPIC =
  /^anthropic-ratelimit-(requests|tokens|input-tokens|output-tokens)-(limit|remaining|reset)$/;
const SPLIT_IETF = /^ratelimit-(limit|remaining|reset)$/;

type HeaderKind = RateLimitHeader | 'date' | 'ratelimit' | 'ratelimit-policy' | undefined;

// Upstreams send the same few dozen names on every answer. The bound is for one that makes them up.
const cache = new Map<string, HeaderKind>();
const MAX_CACHED = 1000;

/** What a header is for here, in any case of letters; undefined for the many that say nothing of limits. */
export function headerKindOf(key: string): HeaderKind {
  const cached = cache.get(key);
  if (cached !== undefined || cache.has(key)) return cached;
  const parsed = parseHeaderName(key);
  if (cache.size < MAX_CACHED && key.length <= 100) cache.set(key, parsed);
  return parsed;
}

function parseHeaderName(key: string): HeaderKind {
  if (key.length > 100) return undefined;
  const name = key.toLowerCase();
  if (name === 'date' || name === 'ratelimit' || name === 'ratelimit-policy') return name;
  const openai = OPENAI.exec(name);
  if (openai) {
    const [, part, unit, span] = openai;
    // Hours and months are nobody's quota here.
    if (span === 'hour' || span === 'month') return undefined;
    return rateLimitHeader(
      `openai ${unit ?? ''} ${span ?? ''}`,
      part,
      unit ?? 'requests',
      span as WindowSpan | undefined,
    );
  }
  const anthropic = ANTHROPIC.exec(name);
  if (anthropic) return rateLimitHeader(`anthropic ${anthropic[1] ?? ''}`, anthropic[2], anthropic[1] ?? '');
  const split = SPLIT_IETF.exec(name);
  return split ? rateLimitHeader(SPLIT_GROUP, split[1], 'requests') : undefined;
}

function rateLimitHeader(
  group: string,
  part: string | undefined,
  unit: string,
  span?: WindowSpan,
): RateLimitHeader {
  const kind = part === 'limit' || part === 'remaining' ? part : 'reset';
  return { group, part: kind, unit: UNITS[unit] ?? 'requests', span };
}
