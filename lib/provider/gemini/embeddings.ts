import type { EmbeddingResponse } from '../../call/answer';
import type { EmbeddingBody } from '../../call/body';
import { isObject } from '../../util/is-object';
import type { EmbedContentRequest } from './wire';

/** Converts an OpenAI embeddings body to the requests of batchEmbedContents. */
export function toEmbedRequests(
  { input, dimensions }: EmbeddingBody,
  resource: string,
): EmbedContentRequest[] {
  const texts = (typeof input === 'string' ? [input] : input) as readonly string[];
  return texts.map((text) => ({
    model: resource,
    content: { parts: [{ text }] },
    ...(dimensions === undefined ? {} : { outputDimensionality: dimensions }),
  }));
}

/**
 * Converts an answer of batchEmbedContents to an OpenAI answer. Shortened vectors are normalized to length 1, as
 * OpenAI's are.
 */
export function toEmbeddingResponse(answer: unknown, body: EmbeddingBody, model: string): EmbeddingResponse {
  if (!isObject(answer)) throw new Error('The answer is not an object.');
  // An error: returned unchanged, so that the balancer classifies it as a failure.
  if (!Array.isArray(answer.embeddings)) return answer as unknown as EmbeddingResponse;
  const tokens = isObject(answer.usageMetadata) ? answer.usageMetadata.promptTokenCount : undefined;
  const prompt = typeof tokens === 'number' ? tokens : 0;
  return {
    object: 'list',
    model,
    data: answer.embeddings.map((entry: unknown, index) => ({
      object: 'embedding',
      index,
      embedding: vectorOf(entry, body),
    })),
    usage: { prompt_tokens: prompt, total_tokens: prompt },
  };
}

function vectorOf(entry: unknown, { dimensions, encoding_format: format }: EmbeddingBody): number[] {
  const values = isObject(entry) && Array.isArray(entry.values) ? (entry.values as number[]) : [];
  const vector = dimensions === undefined ? values : normalized(values);
  // With 'base64' the vector is a string on the wire, whatever the type says.
  return format === 'base64' ? (toBase64(vector) as unknown as number[]) : vector;
}

function normalized(vector: number[]): number[] {
  const length = Math.hypot(...vector);
  return length > 0 ? vector.map((value) => value / length) : vector;
}

function toBase64(vector: readonly number[]): string {
  return Buffer.from(new Float32Array(vector).buffer).toString('base64');
}
