import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import { isObject } from '../util/is-object';

/**
 * Reads the body of a 2xx answer. Throws where it is not an answer: HTML, broken or cut JSON, an error object, no
 * choices, a choice without a message, no vectors. The message says what is missing and quotes nothing of the body.
 */
export function readOpenAIAnswer(body: string): ChatCompletion | EmbeddingResponse {
  const answer = parse(body);
  if (Array.isArray(answer.choices)) {
    if (answer.choices.length === 0) throw new Error('The answer has no choices.');
    if (!answer.choices.every(isChoice)) throw new Error('The answer has a choice without a message.');
    return answer as unknown as ChatCompletion;
  }
  if (Array.isArray(answer.data)) {
    if (answer.data.length === 0) throw new Error('The answer has no embeddings.');
    if (!answer.data.every(isEmbedding)) throw new Error('The answer has an entry without an embedding.');
    return answer as unknown as EmbeddingResponse;
  }
  throw new Error('The answer has neither choices nor embeddings.');
}

function parse(body: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    // The parser's own message quotes the body.
    throw new Error('The answer is not JSON.');
  }
  if (!isObject(value)) throw new Error('The answer is not a JSON object.');
  return value;
}

function isChoice(choice: unknown): boolean {
  return isObject(choice) && isObject(choice.message);
}

/** With `encoding_format: 'base64'` a vector is a string. */
function isEmbedding(entry: unknown): boolean {
  return isObject(entry) && (Array.isArray(entry.embedding) || typeof entry.embedding === 'string');
}
