import type { ServerResponse } from 'node:http';
import { startTimer, type Timer } from '../../util/timers';
import { EVENT_STREAM_HEADERS, type EventSink } from './event-sink';

const HEADERS = {
  ...EVENT_STREAM_HEADERS,
  // Turns off nginx's buffering for this response.
  'x-accel-buffering': 'no',
};

/**
 * If more bytes than this are waiting, they are written before the end of the turn, so that back pressure takes effect.
 */
const MAX_UNWRITTEN_BYTES = 32 * 1024;

type ResponseState =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'streaming'; readonly keepAliveTimer: Timer }
  | { readonly kind: 'ended' };

/**
 * Writes server-sent events to an HTTP response, with back pressure and keep-alive comments. Once the client has left,
 * or other code has ended the response, writing does nothing.
 */
export class SseResponse implements EventSink {
  readonly #res: ServerResponse;
  readonly #keepAliveMs: number;
  #state: ResponseState = { kind: 'waiting' };
  #lastWriteAt = 0;
  #closeCallbacks: (() => void)[] = [];
  /** Data to write at the end of this turn of the event loop: events that arrived together cost one write. */
  #unwritten: (Uint8Array | string)[] = [];
  #unwrittenBytes = 0;
  #isFlushScheduled = false;
  #isCorked = false;

  constructor(res: ServerResponse, keepAliveMs: number) {
    this.#res = res;
    this.#keepAliveMs = keepAliveMs;
    res.on('close', () => this.#onClose());
    // Never removed: a reset after the end would otherwise be an uncaught exception.
    res.on('error', () => this.#onClose());
  }

  get isClosed(): boolean {
    return this.#state.kind === 'ended' || this.#res.destroyed || this.#res.writableEnded;
  }

  get headersSent(): boolean {
    return this.#res.headersSent;
  }

  onceClosed(callback: () => void): void {
    if (this.isClosed) callback();
    else this.#closeCallbacks.push(callback);
  }

  /** Sends the headers at once, so that the client knows that the answer will come as events. */
  open(headers: Readonly<Record<string, string>>): void {
    if (this.isClosed || this.#state.kind === 'streaming') return;
    if (!this.#res.headersSent) {
      this.#res.statusCode = 200;
      this.#res.removeHeader('content-length');
      for (const [name, value] of Object.entries({ ...headers, ...HEADERS }))
        this.#res.setHeader(name, value);
      // Corked, so that the headers are sent together with events that have already arrived.
      this.#isCorked = true;
      this.#res.cork();
      this.#scheduleFlush();
      this.#res.flushHeaders();
    }
    this.#lastWriteAt = performance.now();
    this.#startKeepAliveTimer();
  }

  write(data: Uint8Array | string): Promise<void> | undefined {
    if (this.isClosed) return undefined;
    this.#unwritten.push(data);
    this.#unwrittenBytes += data.length;
    if (this.#unwrittenBytes > MAX_UNWRITTEN_BYTES) this.#flush();
    else this.#scheduleFlush();
    if (!this.#res.writableNeedDrain) return undefined;
    return new Promise((resolve) => {
      const done = (): void => {
        this.#res.off('drain', done);
        this.#closeCallbacks = this.#closeCallbacks.filter((callback) => callback !== done);
        resolve();
      };
      this.#res.on('drain', done);
      this.onceClosed(done);
    });
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    // Runs after all promises that are settling, so after the events that arrived together have been written.
    process.nextTick(this.#onFlush);
  }

  readonly #onFlush = (): void => {
    this.#isFlushScheduled = false;
    if (!this.isClosed) this.#flush();
    if (this.#isCorked) this.#res.uncork();
    this.#isCorked = false;
  };

  #flush(): void {
    const data = this.#takeUnwritten();
    if (data === undefined) return;
    this.#lastWriteAt = performance.now();
    this.#res.write(data);
  }

  #takeUnwritten(): Uint8Array | string | undefined {
    const parts = this.#unwritten;
    if (parts.length === 0) return undefined;
    this.#unwritten = [];
    this.#unwrittenBytes = 0;
    if (parts.length === 1) return parts[0];
    return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  }

  destroy(): void {
    this.#stopKeepAliveTimer();
    this.#res.destroy();
  }

  end(data: string): void {
    this.#stopKeepAliveTimer();
    if (this.isClosed) return;
    // end() uncorks the response too.
    this.#isCorked = false;
    if (data !== '') this.#unwritten.push(data);
    this.#res.end(this.#takeUnwritten());
  }

  sendJson(status: number, headers: Readonly<Record<string, string>>, body: unknown): void {
    if (this.isClosed) return;
    this.#res.statusCode = status;
    for (const [name, value] of Object.entries(headers)) this.#res.setHeader(name, value);
    this.#res.setHeader('content-type', 'application/json; charset=utf-8');
    this.end(JSON.stringify(body));
  }

  /** One timer that checks how long the response was idle: a write costs a clock reading, not a timer. */
  #startKeepAliveTimer(): void {
    const waitMs = Math.max(1, this.#keepAliveMs - (performance.now() - this.#lastWriteAt));
    this.#state = { kind: 'streaming', keepAliveTimer: startTimer(() => this.#onKeepAliveTimer(), waitMs) };
  }

  #onKeepAliveTimer(): void {
    if (this.isClosed) return;
    const idleMs = performance.now() - this.#lastWriteAt;
    if (idleMs >= this.#keepAliveMs && !this.#res.writableNeedDrain) void this.write(': keep-alive\n\n');
    this.#startKeepAliveTimer();
  }

  #stopKeepAliveTimer(): void {
    if (this.#state.kind === 'streaming') clearTimeout(this.#state.keepAliveTimer);
  }

  #onClose(): void {
    if (this.#state.kind === 'ended') return;
    this.#stopKeepAliveTimer();
    this.#state = { kind: 'ended' };
    for (const callback of this.#closeCallbacks.splice(0)) callback();
  }
}
