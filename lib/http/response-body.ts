import type { CallSignal } from '../call/call-signal';
import { responseTooLarge } from './connection/wire-errors';

const WHITE_SPACE = [0x20, 0x09, 0x0a, 0x0d];
/**
 * The bytes of a UTF-8 byte order mark. They are skipped in any order, because no valid body begins with one of them.
 */
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];
const SKIPPED = new Set([...WHITE_SPACE, ...BYTE_ORDER_MARK]);
/**
 * First characters of a body that is not an event stream: JSON begins with one of the first two, HTML with the last.
 */
const NO_EVENTS = new Set(['{', '[', '<'].map((character) => character.charCodeAt(0)));

/**
 * A response body with a size limit. axios's own limit wraps a stream in a generator that can't be closed while a read
 * is pending, so an upstream that holds the connection open would keep it.
 */
export class ResponseBody implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #maxBytes: number;
  #bytesLeft: number;
  /** Chunks that were read to find out what the body is. */
  readonly #peeked: IteratorResult<Uint8Array>[] = [];

  constructor(source: AsyncIterable<Uint8Array>, maxBytes: number) {
    this.#source = source;
    this.#chunks = source[Symbol.asyncIterator]();
    this.#maxBytes = maxBytes;
    this.#bytesLeft = maxBytes;
  }

  /**
   * Whether the body is an event stream, judged by its first byte that is not white space: not JSON, not HTML, not
   * empty.
   */
  async holdsEvents(): Promise<boolean> {
    for (;;) {
      const chunk = await this.#next();
      if (chunk.done) return false;
      this.#peeked.push(chunk);
      const first = chunk.value.find((byte) => !SKIPPED.has(byte));
      if (first !== undefined) return !NO_EVENTS.has(first);
    }
  }

  /** The body as text. Reading stops after `maxBytes`, or when the signal aborts; the text read so far is returned. */
  async text(maxBytes: number, signal: CallSignal): Promise<string> {
    const parts: Uint8Array[] = [];
    let size = 0;
    while (size <= maxBytes && !signal.aborted) {
      const next = this.#peeked.shift() ?? (await this.#next());
      if (next.done) return textOf(parts);
      parts.push(next.value);
      size += next.value.byteLength;
    }
    void this.#chunks.return?.();
    return textOf(parts);
  }

  /** Closes the connection at once, even while a read is pending. */
  destroy(): void {
    (this.#source as { destroy?(): void }).destroy?.();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: () => {
        const peeked = this.#peeked.shift();
        return peeked ? Promise.resolve(peeked) : this.#next();
      },
      return: async () => (await this.#chunks.return?.()) ?? { done: true, value: undefined },
    };
  }

  #next(): Promise<IteratorResult<Uint8Array>> {
    return this.#chunks.next().then(this.#onChunk);
  }

  /** A field, so that a read that waits holds neither a closure nor a suspended function of its own. */
  readonly #onChunk = (result: IteratorResult<Uint8Array>): IteratorResult<Uint8Array> => {
    if (result.done) return result;
    this.#bytesLeft -= result.value.byteLength;
    if (this.#bytesLeft >= 0) return result;
    this.destroy();
    throw responseTooLarge(this.#maxBytes);
  };
}

/** Decodes a body without its byte order mark, which JSON.parse rejects. */
function textOf(parts: readonly Uint8Array[]): string {
  const [first] = parts;
  const bytes =
    parts.length === 1 && first
      ? Buffer.from(first.buffer, first.byteOffset, first.byteLength)
      : Buffer.concat(parts);
  const text = bytes.toString('utf8');
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

/** A text or bytes as a stream of one chunk. */
export async function* oneChunk(data: string | Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield await Promise.resolve(typeof data === 'string' ? Buffer.from(data) : data);
}
