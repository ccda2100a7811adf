import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { Carrier, WireRequest, WireResponse } from './wire-response';

/**
 * The most concurrent requests on one connection, even if the server allows more, because a broken connection fails all
 * of them.
 */
const MAX_STREAMS = 128;
/** Idle connections close after this time, in milliseconds. */
const IDLE_MS = 55_000;
/**
 * If nothing has arrived on a connection for this many milliseconds when a request is given up, the connection takes no
 * more requests.
 */
const SILENT_MS = 5_000;
/** How many unread bytes of a response body the server may send. */
const WINDOW_BYTES = 256 * 1024;
/** Headers that HTTP/2 does not have. */
const NOT_IN_HTTP2 = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'host',
]);

/**
 * An HTTP/2 connection, which carries many requests at a time. undici's own HTTP/2 is not used, because it breaks off
 * every response in flight when the server announces with GOAWAY that the connection takes no new requests, as servers
 * do each time they restart.
 */
export class Http2Connection {
  readonly #session: ClientHttp2Session;
  readonly #scheme: string;
  readonly #authority: string;
  readonly #onClosed: (connection: Http2Connection) => void;
  #inFlight = 0;
  #hasServed = false;
  #heardAt = performance.now();
  #takesRequests = true;

  constructor(origin: URL, socket: Socket, onClosed: (connection: Http2Connection) => void) {
    this.#scheme = origin.protocol.slice(0, -1);
    this.#authority = origin.host;
    this.#onClosed = onClosed;
    this.#session = connect(origin, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: WINDOW_BYTES },
    });
    this.#session.on('error', () => this.close());
    this.#session.once('goaway', () => this.close());
    this.#session.once('close', () => this.close());
    this.#session.setTimeout(IDLE_MS, () => {
      if (this.#inFlight === 0) this.close();
    });
    this.#session.unref();
  }

  /** Whether another request can be sent at once. */
  get hasRoom(): boolean {
    if (!this.#takesRequests || this.#session.closed) return false;
    const { maxConcurrentStreams = MAX_STREAMS } = this.#session.remoteSettings;
    return this.#inFlight < Math.min(MAX_STREAMS, maxConcurrentStreams);
  }

  /** Whether the connection has served a request before. */
  get hasServed(): boolean {
    return this.#hasServed;
  }

  send(request: WireRequest, response: WireResponse): void {
    const headers: Record<string, string> = {
      ':method': request.method,
      ':scheme': this.#scheme,
      ':authority': this.#authority,
      ':path': request.path,
    };
    for (const [name, value] of Object.entries(request.headers)) {
      if (!NOT_IN_HTTP2.has(name)) headers[name] = value;
    }
    let stream: ClientHttp2Stream;
    try {
      stream = this.#session.request(headers, { endStream: false });
    } catch (error) {
      response.onError(error as Error);
      return;
    }
    if (this.#inFlight++ === 0) this.#session.ref();
    const carrier = new Http2Exchange(this, stream, response);
    if (request.idleTimeoutMs > 0)
      stream.setTimeout(request.idleTimeoutMs, () => carrier.timeOut(request.idleTimeoutMs));
    response.onSent(carrier);
    stream.end(request.body);
  }

  /** Takes no more requests, and closes once the last one has ended. */
  close(): void {
    if (!this.#takesRequests) return;
    this.#takesRequests = false;
    this.#session.close();
    this.#onClosed(this);
  }

  recordArrival(): void {
    this.#heardAt = performance.now();
  }

  /** @param startedAt When the request was sent, if it ended before its headers arrived; else undefined. */
  recordEnd(startedAt: number | undefined): void {
    if (--this.#inFlight === 0) this.#session.unref();
    if (startedAt === undefined) {
      this.#hasServed = true;
      return;
    }
    // The connection may be dead: unlike with HTTP/1, giving up a request doesn't close it.
    const now = performance.now();
    if (now - Math.max(startedAt, this.#heardAt) >= SILENT_MS) this.close();
  }
}

/** One request of an HTTP/2 connection. */
class Http2Exchange implements Carrier {
  isReused: boolean;
  readonly #connection: Http2Connection;
  readonly #stream: ClientHttp2Stream;
  readonly #response: WireResponse;
  readonly #startedAt = performance.now();
  #hasHeaders = false;
  #error: Error | undefined;

  constructor(connection: Http2Connection, stream: ClientHttp2Stream, response: WireResponse) {
    this.#connection = connection;
    this.#stream = stream;
    this.#response = response;
    this.isReused = connection.hasServed;
    stream.once('response', (headers) => this.#onResponse(headers));
    stream.on('data', (chunk: Buffer) => {
      connection.recordArrival();
      response.onData(chunk);
    });
    stream.once('error', (error) => {
      this.#error ??= error;
    });
    stream.once('close', () => this.#onClose());
  }

  abort(error: Error): void {
    this.#error ??= error;
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  timeOut(ms: number): void {
    this.abort(Object.assign(new Error(`timeout of ${ms}ms exceeded`), { code: 'ETIMEDOUT' }));
  }

  #onResponse(all: IncomingHttpHeaders): void {
    this.#hasHeaders = true;
    this.#connection.recordArrival();
    const headers: Record<string, string | string[] | undefined> = {};
    for (const [name, value] of Object.entries(all)) {
      if (!name.startsWith(':')) headers[name] = value;
    }
    this.#response.onHeaders(Number(all[':status']), headers, '');
  }

  #onClose(): void {
    this.#connection.recordEnd(this.#hasHeaders ? undefined : this.#startedAt);
    const { readableEnded, rstCode } = this.#stream;
    if (
      this.#error === undefined &&
      this.#hasHeaders &&
      readableEnded &&
      rstCode === constants.NGHTTP2_NO_ERROR
    ) {
      this.#response.onEnd();
      return;
    }
    // The server has refused the request without processing it, as it does with requests that cross its GOAWAY. Such a
    // request fails as one on a stale connection does, so that it can be sent again without counting against the
    // endpoint.
    this.isReused ||= rstCode === constants.NGHTTP2_REFUSED_STREAM || !this.#connection.hasRoom;
    const message = `the HTTP/2 stream was closed with code ${rstCode}`;
    this.#response.onError(
      this.#error ?? Object.assign(new Error(message), { code: 'ERR_HTTP2_STREAM_ERROR' }),
    );
  }
}
