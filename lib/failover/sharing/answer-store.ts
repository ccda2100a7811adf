import type { ChatCompletion, EmbeddingResponse } from '../../call/answer';
import type { RouteReport } from '../../route-report';

/** How long an answer can be replayed. */
const TTL_MS = 3_600_000;
const MAX_ANSWERS = 10_000;
/** Of all answers together. */
const MAX_CHARS = 32 * 1024 * 1024;

type Answer = ChatCompletion | EmbeddingResponse;

interface StoredEntry {
  readonly digest: string;
  readonly text: string;
  readonly route: Pick<RouteReport, 'endpoint' | 'provider' | 'model'>;
  readonly expiresAt: number;
}

export interface StoredAnswer {
  readonly digest: string;
  readonly route: Pick<RouteReport, 'endpoint' | 'provider' | 'model'>;
  /** A new copy for each reader. */
  read(): Answer;
}

/** Answers by key: for an hour, at most 10,000 and 32 Mi characters; the least recently used is evicted first. */
export class AnswerStore {
  readonly #answers = new Map<string, StoredEntry>();
  #chars = 0;

  get(key: string): StoredAnswer | undefined {
    const stored = this.#answers.get(key);
    if (!stored) return undefined;
    this.#delete(key);
    if (performance.now() >= stored.expiresAt) return undefined;
    this.#add(key, stored);
    const { digest, route, text } = stored;
    return { digest, route, read: () => JSON.parse(text) as Answer };
  }

  set(
    key: string,
    { digest, data, route }: { readonly digest: string; readonly data: Answer; readonly route: RouteReport },
  ): void {
    this.#delete(key);
    const text = toJson(data);
    if (text === undefined || text.length > MAX_CHARS) return;
    const { endpoint, provider, model } = route;
    this.#add(key, {
      digest,
      text,
      route: { endpoint, provider, model },
      expiresAt: performance.now() + TTL_MS,
    });
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= MAX_ANSWERS && this.#chars <= MAX_CHARS) break;
      this.#delete(oldest);
    }
  }

  #add(key: string, stored: StoredEntry): void {
    this.#answers.set(key, stored);
    this.#chars += stored.text.length;
  }

  #delete(key: string): void {
    const stored = this.#answers.get(key);
    if (!stored) return;
    this.#answers.delete(key);
    this.#chars -= stored.text.length;
  }
}

/** Undefined for an answer of a custom dialect that can't be serialized. */
function toJson(data: Answer): string | undefined {
  try {
    return JSON.stringify(data);
  } catch {
    return undefined;
  }
}
