import type { ChatBody } from '../call/body';
import type { Call } from '../call/call';
import { BoundedMap } from '../util/bounded-map';

/** Minimum length of a prompt that providers cache, in tokens. */
const MIN_PROMPT_TOKENS = 1_024;
/** Number of leading characters that identify the prefix of a prompt. */
const PREFIX_CHARS = 2_048;
/** How long a provider keeps an unused prefix in its cache, in milliseconds. */
const LIFETIME_MS = 5 * 60_000;
const MAX_KEYS = 10_000;
/**
 * Minimum cached share assumed after an endpoint's first call with a prefix, which fills the cache but can't hit it.
 */
const FIRST_SHARE = 0.5;

export interface Cached {
  readonly share: number;
  readonly at: number;
  readonly calls: number;
}

/**
 * Learns which endpoint has the prefix of which prompt cached, from the cached tokens reported in answers. Bounded in
 * size; stores a hash of the prompt, never the prompt.
 */
export class Affinity {
  readonly #byKey = new BoundedMap<string, Map<string, Cached>>(MAX_KEYS);

  /** What each endpoint has cached of this prefix, by endpoint name; undefined if nothing is known. */
  cachedAt(key: string | undefined): ReadonlyMap<string, Cached> | undefined {
    return key === undefined ? undefined : this.#byKey.get(key);
  }

  /** @param cachedTokens Cached prompt tokens reported in the answer; undefined if it reports none. */
  learn(
    key: string,
    endpoint: string,
    promptTokens: number,
    cachedTokens: number | undefined,
    now: number,
  ): void {
    const endpoints = this.#byKey.get(key) ?? new Map<string, Cached>();
    const calls = (endpoints.get(endpoint)?.calls ?? 0) + 1;
    const reportedShare =
      cachedTokens === undefined ? 0 : Math.min(1, cachedTokens / Math.max(1, promptTokens));
    const share =
      calls === 1 && cachedTokens !== undefined ? Math.max(FIRST_SHARE, reportedShare) : reportedShare;
    endpoints.set(endpoint, { share, at: now, calls });
    this.#byKey.set(key, endpoints);
  }
}

/** The share (0 to 1) of the prompt that an endpoint probably has cached. */
export function cachedShare(cached: Cached | undefined, now: number): number {
  return cached === undefined || now - cached.at > LIFETIME_MS ? 0 : cached.share;
}

/**
 * Returns the key of the prefix that a call may find cached: its session, else a hash of the start of its prompt.
 * Undefined for embeddings, and for a prompt without a session that is too short to be cached.
 */
export function affinityKey(call: Call): string | undefined {
  if (call.operation !== 'chat') return undefined;
  const { session } = call.context;
  if (session !== undefined) return `session ${session}`;
  if (call.promptTokens < MIN_PROMPT_TOKENS) return undefined;
  return `prefix ${hashPrefix(call.body as ChatBody)}`;
}

/** FNV-1a hash of the prefix of the prompt. A collision only causes a wrong guess. */
function hashPrefix({ messages }: ChatBody): string {
  let hash = 0x811c9dc5;
  let left = PREFIX_CHARS;
  for (const { role, content } of messages) {
    const text = typeof content === 'string' ? content : JSON.stringify(content ?? '').slice(0, left);
    const part = `${role}:${text.slice(0, left)}`;
    for (let index = 0; index < part.length; index++) {
      hash = Math.imul(hash ^ part.charCodeAt(index), 0x01000193);
    }
    left -= part.length;
    if (left <= 0) break;
  }
  return (hash >>> 0).toString(36);
}
