import type { ModelProfile } from './profile';

/**
 * Embedding models. Prices and context windows are from the price list named in chat-models.ts, as of 2025-09-05. Latency
 * values are typical. Quality only compares embedding models with each other: a call never moves from one to another.
 */
export const EMBEDDING_MODELS: Readonly<Record<string, ModelProfile>> = {
  'text-embedding-3-small': embedding(0.02, 8191, 0.75),
  'text-embedding-3-large': embedding(0.13, 8191, 0.85),
  'embed-english-v3.0': embedding(0.1, 1024, 0.75),
  'voyage-3': embedding(0.06, 32_000, 0.8),
};

function embedding(inputUsd: number, contextWindow: number, quality: number): ModelProfile {
  return {
    price: { input: inputUsd, output: 0 },
    latency: { firstTokenMs: 150, msPerPromptToken: 0.02, msPerOutputToken: 0 },
    contextWindow,
    quality,
    capabilities: ['embeddings'],
    strengths: ['embedding'],
  };
}
