import type { IncomingMessage } from 'node:http';
import { BadRequest } from './wire';

const MAX_BYTES = 32 * 1024 * 1024;

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads a JSON object of at most 32 MB. Rejects with a BadRequest, or with the socket's error if the client leaves. */
export async function readJson(req: IncomingMessage): Promise<JsonObject> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new BadRequest('Request body is too large.', { status: 413 });
    chunks.push(chunk);
  }
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new BadRequest('We could not parse the JSON body of your request.');
  }
  if (!isObject(body)) throw new BadRequest('We could not parse the JSON body of your request.');
  return body;
}
