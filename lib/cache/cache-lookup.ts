import type { ChatCompletion } from '../call/answer';
import type { Call } from '../call/call';
import { EmbeddingBatch } from './embedding-batch';
import type { CacheLookup, ResponseCache } from './response-cache';

/** Looks up the answer to a call. Never rejects. */
export async function lookUp(cache: ResponseCache, call: Call): Promise<CacheLookup> {
  if (call.operation === 'embeddings') return EmbeddingBatch.lookUp(cache, call);
  const found = await cache.find(call);
  return {
    hit: found?.isFresh ? found : undefined,
    stale: found,
    rest: undefined,
    complete: (answer) => answer,
    store: (answer, route) => cache.store(call, answer as ChatCompletion, route),
  };
}
