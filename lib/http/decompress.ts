import { pipeline, Readable, type Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';
import type { HttpHeaders } from '../provider/dialect';

type Body = AsyncIterable<Uint8Array>;

/** The encodings that are asked for. */
export const ACCEPT_ENCODING = 'gzip, deflate, br';

/** A compressed answer may end without its trailer, and its parts are passed on as they arrive. */
const ZLIB = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH };
const BROTLI = { flush: constants.BROTLI_OPERATION_FLUSH, finishFlush: constants.BROTLI_OPERATION_FLUSH };
/** The low bits of the first byte of a zlib header: the method, deflate. */
const ZLIB_METHOD = 8;

/** The body without its compression, if the headers say that it has one. Other encodings are left as they are. */
export function decompressed(body: Body, headers: HttpHeaders): Body {
  const encoding = headers['content-encoding'];
  switch (typeof encoding === 'string' ? encoding.trim().toLowerCase() : undefined) {
    case 'gzip':
    case 'x-gzip':
      return through(body, createGunzip(ZLIB));
    case 'br':
      return through(body, createBrotliDecompress(BROTLI));
    case 'deflate':
      return new Deflated(body);
    default:
      return body;
  }
}

function through(body: Body, decoder: Transform): Readable {
  // Ending either closes both.
  pipeline(Readable.from(body, { objectMode: false }), decoder, () => undefined);
  return decoder;
}

/** Deflate comes with a zlib header, as the standard says, or without: the first byte tells. */
class Deflated implements AsyncIterable<Uint8Array> {
  readonly #body: Body;
  #decoded: Readable | undefined;

  constructor(body: Body) {
    this.#body = body;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    const chunks = this.#body[Symbol.asyncIterator]();
    let first = await chunks.next();
    while (!first.done && first.value.length === 0) first = await chunks.next();
    if (first.done) return;
    const head = first.value;
    const decoder = (head[0] as number) % 16 === ZLIB_METHOD ? createInflate(ZLIB) : createInflateRaw(ZLIB);
    this.#decoded = through(joined(head, chunks), decoder);
    yield* this.#decoded as AsyncIterable<Uint8Array>;
  }

  destroy(): void {
    this.#decoded?.destroy();
    (this.#body as { destroy?(): void }).destroy?.();
  }
}

async function* joined(
  head: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield head;
  yield* { [Symbol.asyncIterator]: () => rest };
}
