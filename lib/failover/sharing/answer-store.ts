import type { ChatCompletion, EmbeddingResponse } from '../../call/answer';
import type { RouteReport } from '../../route-report';

/** An answer can be replayed for so long. */
const TTL_MS = 3_600_000;
const MAX_ANSWERS = 10_000;
/** Characters of all answers together. */
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
  /** A copy of the reader's own. */
  read(): Answer;
}

/** Answers by key: an hour, 10,000 of them and 32 Mi characters at most; the longest unused goes first. No timers. */
export class AnswerStore {
  readonly #answers = new Map<string, StoredEntry>();
  #chars = 0;

  get(key: string): StoredAnswer | undefined {
    const stored = this.#answers.get(key);
    if (!stored) return undefined;
    this.#delete(key);
    if (performance.now() >= stored.expiresAt) return undefined;
    this.#add(key, stored);
    const { digest: print, route, text } = stored;
    return { digest: print, route, read: () => JSON.parse(text) as Answer };
  }

  set(
    key: string,
    { print: digest, data, route }: { readonly print: string; readonly data: Answer; readonly route: RouteReport },
  ): void {
    this.#delete(key);
    const text = toJson(data);
    if (text === undefined || text.length > MAX_CHARS) return;
    const { endpoint, provider, model } = route;
    this.#add(key, { digest: digest, text, route: { endpoint, provider, model }, expiresAt: performance.now() + TTL_MS });
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

/** Undefined for what an app's own dialect made and no JSON can say. */
function toJson(data: Answer): string | undefined {
  try {
    return JSON.stringify(data);
  } catch {
    return undefined;
  }
}
