import type { ChatBody } from '../call/body';
import type { Call } from '../call/call';
import { BoundedMap } from '../util/bounded-map';

/** Providers cache prompts from about this length on. */
const MIN_PROMPT_TOKENS = 1_024;
/** So much of the prompt's beginning tells one from another. */
const PREFIX_CHARS = 2_048;
/** How long a provider keeps a prefix that nobody asks for. */
const LIFETIME_MS = 5 * 60_000;
const MAX_KEYS = 10_000;
/** Assumed after the first call, which filled the cache but found nothing in it. */
const FIRST_SHARE = 0.5;

interface Cached {
  readonly share: number;
  readonly at: number;
  readonly calls: number;
}

/**
 * Remembers which endpoint has the beginning of which prompt cached, from the cached tokens that answers report.
 * Bounded; it keeps a hash of the prompt, never the prompt.
 */
export class Affinity {
  readonly #byKey = new BoundedMap<string, Map<string, Cached>>(MAX_KEYS);

  /** The share of the prompt that the endpoint is likely to have cached. */
  share(key: string, endpoint: string, now: number): number {
    const cached = this.#byKey.get(key)?.get(endpoint);
    return cached === undefined || now - cached.at > LIFETIME_MS ? 0 : cached.share;
  }

  /** @param cachedTokens As the answer reports them; undefined where it doesn't. */
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

/** What a call shares with those that could use the same cached prefix; undefined for short prompts. */
export function affinityKey(call: Call): string | undefined {
  if (call.operation !== 'chat') return undefined;
  const { session } = call.context;
  if (session !== undefined) return `session ${session}`;
  if (call.promptTokens < MIN_PROMPT_TOKENS) return undefined;
  return `prefix ${hashPrefix(call.body as ChatBody)}`;
}

/** FNV-1a over the beginning of the first messages. A collision costs a wrong guess, nothing more. */
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
