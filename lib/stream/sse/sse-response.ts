import type { ServerResponse } from 'node:http';
import { startTimer, type Timer } from '../../util/timers';
import { EVENT_STREAM_HEADERS, type EventSink } from './event-sink';

const HEADERS = {
  ...EVENT_STREAM_HEADERS,
  // Turns off nginx's buffering for this response.
  'x-accel-buffering': 'no',
};

type ResponseState =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'streaming'; readonly keepAliveTimer: Timer }
  | { readonly kind: 'ended' };

/**
 * Writes server-sent events to an HTTP response, with back pressure and keep-alive comments. Once the client has left,
 * or somebody else has ended the response, writing does nothing.
 */
export class SseResponse implements EventSink {
  readonly #res: ServerResponse;
  readonly #keepAliveMs: number;
  #state: ResponseState = { kind: 'waiting' };
  #lastWriteAt = 0;
  #closeCallbacks: (() => void)[] = [];

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
      this.#res.flushHeaders();
    }
    this.#lastWriteAt = performance.now();
    this.#startKeepAliveTimer();
  }

  write(data: Uint8Array | string): Promise<void> | undefined {
    if (this.isClosed) return undefined;
    this.#lastWriteAt = performance.now();
    if (this.#res.write(data)) return undefined;
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

  destroy(): void {
    this.#stopKeepAliveTimer();
    this.#res.destroy();
  }

  end(data = ''): void {
    this.#stopKeepAliveTimer();
    if (!this.isClosed) this.#res.end(data);
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
