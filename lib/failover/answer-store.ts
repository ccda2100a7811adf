import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { RouteReport } from '../route-report';

/** An answer can be replayed for so long. */
const LIFE_MS = 3_600_000;
const MAX_ANSWERS = 10_000;
/** Characters of all answers together. */
const MAX_CHARS = 32 * 1024 * 1024;

type Answer = ChatCompletion | EmbeddingResponse;

interface Stored {
  readonly print: string;
  readonly text: string;
  readonly route: Pick<RouteReport, 'endpoint' | 'provider' | 'model'>;
  readonly until: number;
}

export interface StoredAnswer {
  readonly print: string;
  readonly route: Pick<RouteReport, 'endpoint' | 'provider' | 'model'>;
  /** A copy of the reader's own. */
  read(): Answer;
}

/** Answers by key: an hour, 10,000 of them and 32 Mi characters at most; the longest unused goes first. No timers. */
export class AnswerStore {
  readonly #answers = new Map<string, Stored>();
  #chars = 0;

  get(key: string): StoredAnswer | undefined {
    const stored = this.#answers.get(key);
    if (!stored) return undefined;
    this.#delete(key);
    if (performance.now() >= stored.until) return undefined;
    this.#add(key, stored);
    const { print, route, text } = stored;
    return { print, route, read: () => JSON.parse(text) as Answer };
  }

  set(
    key: string,
    { print, data, route }: { readonly print: string; readonly data: Answer; readonly route: RouteReport },
  ): void {
    this.#delete(key);
    const text = textOf(data);
    if (text === undefined || text.length > MAX_CHARS) return;
    const { endpoint, provider, model } = route;
    this.#add(key, { print, text, route: { endpoint, provider, model }, until: performance.now() + LIFE_MS });
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= MAX_ANSWERS && this.#chars <= MAX_CHARS) break;
      this.#delete(oldest);
    }
  }

  #add(key: string, stored: Stored): void {
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
function textOf(data: Answer): string | undefined {
  try {
    return JSON.stringify(data);
  } catch {
    return undefined;
  }
}
