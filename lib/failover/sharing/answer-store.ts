import type { AnswerData } from '../../call/response';
import type { RouteReport } from '../../route-report';

/** How long an answer can be replayed. */
const TTL_MS = 3_600_000;
const MAX_ANSWERS = 10_000;
/** Of all answers together. */
const MAX_CHARS = 32 * 1024 * 1024;

export interface StoredAnswer {
  readonly digest: string;
  readonly data: AnswerData;
  readonly route: Pick<RouteReport, 'endpoint' | 'provider' | 'model'>;
}

/** An answer as text, so that each reader gets a new copy. */
interface Entry extends Omit<StoredAnswer, 'data'> {
  readonly text: string;
  readonly expiresAt: number;
}

/** Answers by key: for an hour, at most 10,000 and 32 Mi characters; the least recently used is evicted first. */
export class AnswerStore {
  readonly #answers = new Map<string, Entry>();
  #chars = 0;

  get(key: string): StoredAnswer | undefined {
    const entry = this.#answers.get(key);
    if (!entry) return undefined;
    this.#delete(key);
    if (performance.now() >= entry.expiresAt) return undefined;
    this.#add(key, entry);
    const { digest, route, text } = entry;
    return { digest, route, data: JSON.parse(text) as StoredAnswer['data'] };
  }

  set(key: string, { digest, data, route: { endpoint, provider, model } }: StoredAnswer): void {
    this.#delete(key);
    const text = toJson(data);
    if (text === undefined || text.length > MAX_CHARS) return;
    const expiresAt = performance.now() + TTL_MS;
    this.#add(key, { digest, text, route: { endpoint, provider, model }, expiresAt });
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= MAX_ANSWERS && this.#chars <= MAX_CHARS) break;
      this.#delete(oldest);
    }
  }

  #add(key: string, entry: Entry): void {
    this.#answers.set(key, entry);
    this.#chars += entry.text.length;
  }

  #delete(key: string): void {
    this.#chars -= this.#answers.get(key)?.text.length ?? 0;
    this.#answers.delete(key);
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
