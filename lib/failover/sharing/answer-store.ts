import type { AnswerData } from '../../call/response';
import type { RouteReport } from '../../route-report';
import { ExpiringCache } from '../../util/expiring-cache';

/** How long an answer can be replayed, in milliseconds. */
const TTL_MS = 3_600_000;
const MAX_ANSWERS = 10_000;
/** Limit on the length of all answers together, in characters. */
const MAX_CHARS = 32 * 1024 * 1024;

export interface StoredAnswer {
  readonly digest: string;
  readonly data: AnswerData;
  readonly route: Pick<RouteReport, 'endpoint' | 'provider' | 'model'>;
}

/** An answer as text, so that each reader gets a new copy. */
interface KeptAnswer extends Omit<StoredAnswer, 'data'> {
  readonly text: string;
}

/**
 * Keeps answers by key for an hour: at most 10,000 answers and 32 Mi characters. The least recently used is evicted
 * first.
 */
export class AnswerStore {
  readonly #answers = new ExpiringCache<KeptAnswer>({
    maxSize: MAX_CHARS,
    maxEntries: MAX_ANSWERS,
    sizeOf: ({ text }) => text.length,
  });

  get(key: string): StoredAnswer | undefined {
    const answer = this.#answers.get(key);
    if (!answer) return undefined;
    const { digest, route, text } = answer;
    return { digest, route, data: JSON.parse(text) as StoredAnswer['data'] };
  }

  /** Stores an answer. If it can't be serialized, an earlier answer under the key is removed. */
  set(key: string, { digest, data, route: { endpoint, provider, model } }: StoredAnswer): void {
    const text = toJson(data);
    if (text === undefined) this.#answers.delete(key);
    else this.#answers.set(key, { digest, text, route: { endpoint, provider, model } }, TTL_MS);
  }
}

/** Undefined for an answer of a custom dialect that can't be serialized. */
function toJson(data: StoredAnswer['data']): string | undefined {
  try {
    return JSON.stringify(data);
  } catch {
    return undefined;
  }
}
