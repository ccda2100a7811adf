import type { Readable } from 'node:stream';
import { AxiosError } from 'axios';

/**
 * A response body with a size limit. axios's own limit wraps a stream in a generator that can't be closed while a read is
 * pending, so an upstream that holds the connection open would keep it.
 */
export class LimitedBody implements AsyncIterable<Uint8Array> {
  readonly #body: Readable;
  readonly #maxBytes: number;

  constructor(body: Readable, maxBytes: number) {
    this.#body = body;
    this.#maxBytes = maxBytes;
  }

  /** Closes the connection at once, even while a read is pending. */
  destroy(): void {
    this.#body.destroy();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    const chunks = this.#body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    let left = this.#maxBytes;
    const counted = (result: IteratorResult<Uint8Array>): IteratorResult<Uint8Array> => {
      if (result.done) return result;
      left -= result.value.byteLength;
      if (left >= 0) return result;
      this.destroy();
      throw tooLarge(this.#maxBytes);
    };
    return {
      next: () => chunks.next().then(counted),
      return: async () => (await chunks.return?.()) ?? { done: true, value: undefined },
    };
  }
}

/** With axios's message, by which classifyError tells it from a broken answer. */
function tooLarge(maxBytes: number): AxiosError {
  return new AxiosError(`maxContentLength size of ${maxBytes} exceeded`, AxiosError.ERR_BAD_RESPONSE);
}
