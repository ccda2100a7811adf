import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** What arrived at a simulated provider. Secrets are kept as the first 12 hex digits of their SHA-256. */
export interface RecordedRequest {
  /** Date.now() at arrival. */
  at: number;
  method: string;
  path: string;
  model?: string;
  stream?: boolean;
  headers: IncomingHttpHeaders;
  /** Only with `recordBodies`. */
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

/** The last requests, at most `size` of them. */
export class RequestLog {
  readonly #size: number;
  #records: RecordedRequest[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  add(record: RecordedRequest): void {
    if (this.#size === 0) return;
    this.#records.push({ ...record, headers: withoutSecrets(record.headers) });
    // Dropping half at a time keeps the cost of an arrival constant.
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
