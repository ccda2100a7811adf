import { DENSITY_BUCKETS } from './value-density';

/** Tokens and requests that wait in the queue. */
export interface Load {
  tokens: number;
  requests: number;
}

/**
 * Waiting tokens and requests per log-density bucket, as two Fenwick trees (Fenwick 1994): O(log buckets) to update and
 * to query.
 */
export class Backlog {
  readonly #tokens = new Float64Array(DENSITY_BUCKETS + 1);
  readonly #requests = new Float64Array(DENSITY_BUCKETS + 1);

  add(bucket: number, tokens: number): void {
    this.#change(bucket, tokens, 1);
  }

  remove(bucket: number, tokens: number): void {
    this.#change(bucket, -tokens, -1);
  }

  /** Waiting tokens and requests in this density bucket and all denser ones. */
  ahead(bucket: number): Load {
    let tokens = 0;
    let requests = 0;
    for (let i = bucket + 1; i > 0; i -= i & -i) {
      tokens += this.#tokens[i] as number;
      requests += this.#requests[i] as number;
    }
    return { tokens, requests };
  }

  #change(bucket: number, tokens: number, requests: number): void {
    for (let i = bucket + 1; i <= DENSITY_BUCKETS; i += i & -i) {
      this.#tokens[i] = (this.#tokens[i] as number) + tokens;
      this.#requests[i] = (this.#requests[i] as number) + requests;
    }
  }
}
