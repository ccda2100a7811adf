import { BoundedMap } from '../../util/bounded-map';
import type { WindowSpan } from './window-span';

/** What a rate limit counts. */
export type Unit = 'requests' | 'tokens' | 'inputTokens' | 'outputTokens';

/** What one rate-limit header reports. */
export interface RateLimitHeader {
  /** Headers of one group describe one window. */
  readonly group: string;
  readonly part: 'limit' | 'remaining' | 'reset';
  readonly unit: Unit;
  /** The span that the header's name states; undefined if it must be inferred from the values. */
  readonly span: WindowSpan | undefined;
}

/** Units by their names in headers. */
export const UNITS: Readonly<Record<string, Unit>> = {
  requests: 'requests',
  req: 'requests',
  request: 'requests',
  tokens: 'tokens',
  token: 'tokens',
  'input-tokens': 'inputTokens',
  'output-tokens': 'outputTokens',
};

/** Group of the separate `RateLimit-Limit`, `-Remaining` and `-Reset` fields of older IETF drafts. */
export const SPLIT_GROUP = 'ietf';

// x-ratelimit-limit-requests, x-ratelimit-remaining-tokens-minute, x-ratelimit-limit-req-minute
const OPENAI =
  /^x-ratelimit-(limit|remaining|reset)(?:-(requests|tokens|req|input-tokens|output-tokens)(?:-(minute|day|hour|month))?)?$/;
// anthropic-ratelimit-input-tokens-remaining
const ANTHROPIC =
  /^anthropic-ratelimit-(requests|tokens|input-tokens|output-tokens)-(limit|remaining|reset)$/;
const SPLIT_IETF = /^ratelimit-(limit|remaining|reset)$/;

type HeaderKind = RateLimitHeader | 'date' | 'ratelimit' | 'ratelimit-policy' | 'other';

const MAX_NAME_LENGTH = 100;
/** Upstreams send the same few dozen names in every response, so each is parsed once. */
const kindByName = new BoundedMap<string, HeaderKind>(1000);

/** What a header reports, by its name in any letter case. */
export function headerKindOf(name: string): HeaderKind {
  if (name.length > MAX_NAME_LENGTH) return 'other';
  let kind = kindByName.get(name);
  if (kind === undefined) {
    kind = parseHeaderName(name.toLowerCase());
    kindByName.set(name, kind);
  }
  return kind;
}

function parseHeaderName(name: string): HeaderKind {
  if (name === 'date' || name === 'ratelimit' || name === 'ratelimit-policy') return name;
  const openai = OPENAI.exec(name);
  if (openai) {
    const [, part, unit, span] = openai;
    // Only quotas per minute and per day are tracked.
    if (span === 'hour' || span === 'month') return 'other';
    return headerOf(`openai ${unit ?? ''} ${span ?? ''}`, part, unit, span as WindowSpan | undefined);
  }
  const anthropic = ANTHROPIC.exec(name);
  if (anthropic) return headerOf(`anthropic ${anthropic[1]}`, anthropic[2], anthropic[1]);
  const split = SPLIT_IETF.exec(name);
  return split ? headerOf(SPLIT_GROUP, split[1]) : 'other';
}

function headerOf(group: string, part?: string, unit = 'requests', span?: WindowSpan): RateLimitHeader {
  return { group, part: part as RateLimitHeader['part'], unit: UNITS[unit] ?? 'requests', span };
}
