import type { IncomingHttpHeaders } from 'node:http';
import { seededRandom } from '../behavior';
import { missingParameter, readModel, requestedTokens } from './chat-request';
import type { JsonObject } from './request-body';
import { tokensOfText } from './text';
import { BadRequest } from './wire';

export interface EmbeddingsRequest {
  model: string;
  inputs: string[];
  dimensions: number;
  base64: boolean;
  promptTokens: number;
}

const DIMENSIONS = 1536;
const MAX_INPUTS = 2048;

/** Parses an embeddings request. Throws a BadRequest if it is invalid. */
export function readEmbeddingsRequest(body: JsonObject, headers: IncomingHttpHeaders): EmbeddingsRequest {
  const model = readModel(body);
  const { inputs, tokens } = readInput(body.input);
  const dimensions = body.dimensions ?? DIMENSIONS;
  if (
    typeof dimensions !== 'number' ||
    !Number.isInteger(dimensions) ||
    dimensions < 1 ||
    dimensions > 4096
  ) {
    throw new BadRequest("Invalid value for 'dimensions'.", { param: 'dimensions' });
  }
  return {
    model,
    inputs,
    dimensions,
    base64: body.encoding_format === 'base64',
    promptTokens: requestedTokens('prompt', body, headers) ?? tokens,
  };
}

/** The vector of each input, as numbers or in base64 as the request asks for. */
export function embeddingVectors(request: EmbeddingsRequest): (number[] | string)[] {
  return request.inputs.map((input) => {
    const vector = vectorOf(input, request.dimensions);
    return request.base64 ? Buffer.from(vector.buffer).toString('base64') : Array.from(vector);
  });
}

/** A unit vector that depends only on the text. */
function vectorOf(input: string, dimensions: number): Float32Array {
  let hash = 2166136261;
  for (let at = 0; at < input.length; at += 1) hash = Math.imul(hash ^ input.charCodeAt(at), 16777619);
  const random = seededRandom(hash);
  const vector = Float32Array.from({ length: dimensions }, () => random() - 0.5);
  const norm = Math.hypot(...vector) || 1;
  return vector.map((value) => value / norm);
}

/** Accepts a string, an array of strings, token ids, or an array of lists of token ids. */
function readInput(input: unknown): { inputs: string[]; tokens: number } {
  if (input == null) throw missingParameter('input');
  const parts: unknown[] =
    Array.isArray(input) && !input.every((part) => typeof part === 'number') ? input : [input];
  if (parts.length === 0 || parts.length > MAX_INPUTS) throw badInput();
  let tokens = 0;
  const inputs = parts.map((part) => {
    if (typeof part === 'string' && part !== '') {
      tokens += tokensOfText(part);
      return part;
    }
    if (Array.isArray(part) && part.length > 0 && part.every((token) => typeof token === 'number')) {
      tokens += part.length;
      return part.join(' ');
    }
    throw badInput();
  });
  return { inputs, tokens };
}

function badInput(): BadRequest {
  return new BadRequest("Invalid 'input': expected a string, an array of strings, or arrays of tokens.", {
    param: 'input',
  });
}
