import type { WindowSpan } from './rate-limit-window';

/** What a window counts. */
export type Unit = 'requests' | 'tokens' | 'inputTokens' | 'outputTokens';

/** Where the value of one header belongs. */
export interface HeaderPlace {
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

type Place = HeaderPlace | 'date' | 'ratelimit' | 'ratelimit-policy' | undefined;

// Upstreams send the same few dozen names on every answer. The bound is for one that makes them up.
const known = new Map<string, Place>();
const MOST_KNOWN = 1000;

/** What a header is for here, in any case of letters; undefined for the many that say nothing of limits. */
export function placeOf(key: string): Place {
  const place = known.get(key);
  if (place !== undefined || known.has(key)) return place;
  const worked = workOut(key);
  if (known.size < MOST_KNOWN && key.length <= 100) known.set(key, worked);
  return worked;
}

function workOut(key: string): Place {
  if (key.length > 100) return undefined;
  const name = key.toLowerCase();
  if (name === 'date' || name === 'ratelimit' || name === 'ratelimit-policy') return name;
  const openai = OPENAI.exec(name);
  if (openai) {
    const [, part, unit, span] = openai;
    // Hours and months are nobody's quota here.
    if (span === 'hour' || span === 'month') return undefined;
    return place(
      `openai ${unit ?? ''} ${span ?? ''}`,
      part,
      unit ?? 'requests',
      span as WindowSpan | undefined,
    );
  }
  const anthropic = ANTHROPIC.exec(name);
  if (anthropic) return place(`anthropic ${anthropic[1] ?? ''}`, anthropic[2], anthropic[1] ?? '');
  const split = SPLIT_IETF.exec(name);
  return split ? place(SPLIT_GROUP, split[1], 'requests') : undefined;
}

function place(group: string, part: string | undefined, unit: string, span?: WindowSpan): HeaderPlace {
  const kind = part === 'limit' || part === 'remaining' ? part : 'reset';
  return { group, part: kind, unit: UNITS[unit] ?? 'requests', span };
}
