import { pipeline, Readable, type Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';
import type { HttpHeaders } from '../provider/dialect';

type Body = AsyncIterable<Uint8Array>;

/** The value of the accept-encoding header: the encodings that `decompressed` supports. */
export const ACCEPT_ENCODING = 'gzip, deflate, br';

/** Options with which a compressed answer may end without its trailer, and its parts are passed on as they arrive. */
const ZLIB = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH };
const BROTLI = { flush: constants.BROTLI_OPERATION_FLUSH, finishFlush: constants.BROTLI_OPERATION_FLUSH };
/** The low four bits of the first byte of a zlib header: the compression method, here deflate. */
const ZLIB_METHOD = 8;

/** The decompressed body, if the headers name a supported encoding; otherwise the body as it is. */
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
  // pipeline() closes both streams when either one ends early.
  pipeline(Readable.from(body, { objectMode: false }), decoder, () => undefined);
  return decoder;
}

/**
 * Decodes deflate, which comes with a zlib header, as the standard says, or without one: the first byte shows which.
 */
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
