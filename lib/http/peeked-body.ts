/** What a body is, by its first bytes. */
export type BodyKind = 'events' | 'json' | 'html' | 'empty';

const WHITE_SPACE = new Set([0x20, 0x09, 0x0a, 0x0d]);
/** The bytes of a byte order mark, in any order: no body of ours begins with one of them. */
const BYTE_ORDER_MARK = new Set([0xef, 0xbb, 0xbf]);

/** A body whose first chunks have been read to tell what it is. It still yields them. */
export class PeekedBody implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #read: Uint8Array[] = [];

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** Reads until the first byte that is not white space. */
  async peek(): Promise<BodyKind> {
    for (;;) {
      const chunk = await this.#chunks.next();
      if (chunk.done) return 'empty';
      this.#read.push(chunk.value);
      const first = chunk.value.find((byte) => !WHITE_SPACE.has(byte) && !BYTE_ORDER_MARK.has(byte));
      if (first === undefined) continue;
      const character = String.fromCharCode(first);
      return character === '{' || character === '[' ? 'json' : character === '<' ? 'html' : 'events';
    }
  }

  /** Closes the source at once, even while a read is pending. */
  destroy(): void {
    const { destroy } = this.#source as { destroy?: () => void };
    if (typeof destroy === 'function') destroy.call(this.#source);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: () => {
        const value = this.#read.shift();
        return value ? Promise.resolve({ done: false, value }) : this.#chunks.next();
      },
      return: async () => (await this.#chunks.return?.()) ?? { done: true, value: undefined },
    };
  }
}
