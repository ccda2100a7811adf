import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** A request that a simulated provider received. */
export interface RecordedRequest {
  /** Time of arrival, in milliseconds since the epoch. */
  at: number;
  /** HTTP method. */
  method: string;
  /** Path without the query. */
  path: string;
  /** The model that the request asks for. */
  model?: string;
  /** Whether the request asked for a stream. */
  stream?: boolean;
  /** The headers. A value that is a secret is replaced by `sha256:` and the first 12 hex digits of its SHA-256. */
  headers: IncomingHttpHeaders;
  /** The body as it was sent, if `recordBodies` is set. */
  body?: unknown;
}

const SECRET_HEADERS = [
  'authorization',
  'api-key',
  'x-api-key',
  'x-goog-api-key',
  'cookie',
  'proxy-authorization',
];

/** Keeps the last `size` requests. */
export class RequestLog {
  readonly #size: number;
  #records: RecordedRequest[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  add(record: RecordedRequest): void {
    if (this.#size === 0) return;
    this.#records.push({ ...record, headers: withoutSecrets(record.headers) });
    // Dropping half of them at a time keeps the cost per request constant.
    if (this.#records.length >= 2 * this.#size) this.#records = this.#records.slice(-this.#size);
  }

  list(): RecordedRequest[] {
    return this.#records.slice(-this.#size || this.#records.length);
  }
}

export function fingerprint(secret: string): string {
  return createHash('sha256').update(secret).digest('hex').slice(0, 12);
}

function withoutSecrets(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const kept = { ...headers };
  for (const name of SECRET_HEADERS) {
    const value = kept[name];
    if (value !== undefined) kept[name] = `sha256:${fingerprint(String(value))}`;
  }
  return kept;
}
