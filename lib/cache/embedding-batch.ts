import type { EmbeddingResponse } from '../call/answer';
import type { EmbeddingBody } from '../call/body';
import type { Call } from '../call/call';
import type { CachedAnswer, CacheHit, CacheLookup, ResponseCache, StoredVector } from './response-cache';

type Found = CachedAnswer<StoredVector> | undefined;

/**
 * An embeddings call whose inputs are looked up one by one. Only those without a fresh vector in the cache are sent.
 */
export class EmbeddingBatch implements CacheLookup {
  readonly hit: CacheHit | undefined;
  readonly stale: CacheHit | undefined;
  readonly #cache: ResponseCache;
  readonly #call: Call;
  readonly #inputs: readonly unknown[];
  readonly #found: readonly Found[];
  /** Positions of the inputs without a fresh vector in the cache, which are sent to an endpoint. */
  readonly #missing: readonly number[];

  private constructor(cache: ResponseCache, call: Call, inputs: readonly unknown[], found: readonly Found[]) {
    this.#cache = cache;
    this.#call = call;
    this.#inputs = inputs;
    this.#found = found;
    this.#missing = found.flatMap((vector, index) => (vector?.isFresh ? [] : [index]));
    this.stale = wholeAnswer(found);
    this.hit = this.#missing.length === 0 ? this.stale : undefined;
  }

  static async lookUp(cache: ResponseCache, call: Call): Promise<EmbeddingBatch> {
    const inputs = inputsOf(call.body as EmbeddingBody);
    return new EmbeddingBatch(cache, call, inputs, await cache.findVectors(call, inputs));
  }

  get rest(): EmbeddingBody | undefined {
    if (this.#missing.length === this.#inputs.length) return undefined;
    const input = this.#missing.map((index) => this.#inputs[index]) as unknown as EmbeddingBody['input'];
    return { ...(this.#call.body as EmbeddingBody), input };
  }

  complete(answer: CacheHit['data']): CacheHit['data'] {
    if (this.rest === undefined) return answer;
    const { usage, model, ...sent } = answer as EmbeddingResponse;
    const vectors = this.#found.map((vector) => vector?.data.embedding);
    for (const [index, embedding] of this.#received(answer)) vectors[index] = embedding;
    return { ...sent, ...responseOf(vectors as StoredVector['embedding'][], model, usage) };
  }

  store(answer: CacheHit['data'], route: CacheHit['route']): void {
    for (const [index, embedding] of this.#received(answer))
      this.#cache.storeVector(this.#call, this.#inputs[index], { embedding, model: answer.model }, route);
  }

  /**
   * The vectors that an endpoint has returned for the missing inputs, with the positions of these inputs in the call.
   */
  #received(answer: CacheHit['data']): [number, StoredVector['embedding']][] {
    const sorted = [...(answer as EmbeddingResponse).data].sort((a, b) => a.index - b.index);
    return this.#missing.flatMap((index, position) => {
      const vector = sorted[position];
      return vector ? [[index, vector.embedding]] : [];
    });
  }
}

/** The inputs of a call. A single text, or the tokens of one, is one input. */
function inputsOf({ input }: EmbeddingBody): readonly unknown[] {
  return Array.isArray(input) && typeof input[0] !== 'number' ? (input as readonly unknown[]) : [input];
}

/** The answer made of stored vectors; undefined if one is missing. */
function wholeAnswer(found: readonly Found[]): CacheHit | undefined {
  const vectors = found.filter((vector) => vector !== undefined);
  const first = vectors[0];
  if (!first || vectors.length < found.length) return undefined;
  const embeddings = vectors.map(({ data }) => data.embedding);
  const data = responseOf(embeddings, first.data.model, { prompt_tokens: 0, total_tokens: 0 });
  return { data, route: first.route };
}

function responseOf(
  embeddings: readonly StoredVector['embedding'][],
  model: string,
  usage: EmbeddingResponse['usage'],
): EmbeddingResponse {
  const data = embeddings.map((embedding, index) => ({ object: 'embedding' as const, index, embedding }));
  return { object: 'list', data, model, usage };
}
