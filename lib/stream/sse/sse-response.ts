import type { ServerResponse } from 'node:http';
import { startTimer } from '../../util/timers';

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  // no-transform keeps compression() and proxies from holding events back until a block is full.
  'cache-control': 'no-cache, no-transform',
  // nginx buffers an answer unless it is told not to.
  'x-accel-buffering': 'no',
};

/** An HTTP response that events are written to: with back pressure, comments while idle, and no trouble when it closes. */
export class SseResponse {
  readonly #res: ServerResponse;
  readonly #keepAliveMs: number;
  #lastWriteAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #closeCallbacks: (() => void)[] = [];

  constructor(res: ServerResponse, keepAliveMs: number) {
    this.#res = res;
    this.#keepAliveMs = keepAliveMs;
    this.#isClosed = res.destroyed || res.writableEnded;
    res.on('close', () => this.#onClosed());
    // Stays for good: a reset after the end would otherwise be an uncaught exception.
    res.on('error', () => this.#onClosed());
  }

  /** The client has left, or the response was ended by someone else. */
  get isClosed(): boolean {
    return this.#isClosed || this.#res.destroyed || this.#res.writableEnded;
  }

  get headersSent(): boolean {
    return this.#res.headersSent;
  }

  /** Calls back when the client leaves, at once if it has. */
  onceClosed(callback: () => void): void {
    if (this.isClosed) callback();
    else this.#closeCallbacks.push(callback);
  }

  /** Sends the headers at once, so that the client knows that the answer will come as events. */
  open(headers: Readonly<Record<string, string>>): void {
    if (this.isClosed) return;
    if (!this.#res.headersSent) {
      this.#res.statusCode = 200;
      this.#res.removeHeader('content-length');
      for (const [name, value] of Object.entries({ ...headers, ...HEADERS }))
        this.#res.setHeader(name, value);
      this.#res.flushHeaders();
    }
    this.#lastWriteAt = performance.now();
    this.#keepAlive();
  }

  /** Writes; undefined when more may follow at once, else a promise for when the client has caught up or left. */
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

  end(data = ''): void {
    clearTimeout(this.#timer);
    if (!this.isClosed) this.#res.end(data);
  }

  /** Answers with JSON, while the headers have not been sent. */
  sendJson(status: number, headers: Readonly<Record<string, string>>, body: unknown): void {
    if (this.isClosed) return;
    this.#res.statusCode = status;
    for (const [name, value] of Object.entries(headers)) this.#res.setHeader(name, value);
    this.#res.setHeader('content-type', 'application/json; charset=utf-8');
    this.end(JSON.stringify(body));
  }

  /** One timer that looks when it fires how long the line was idle: an event costs a clock reading, not a timer. */
  #keepAlive(): void {
    const idleMs = performance.now() - this.#lastWriteAt;
    if (idleMs >= this.#keepAliveMs && !this.#res.writableNeedDrain) {
      this.#lastWriteAt = performance.now();
      this.#res.write(': keep-alive\n\n');
    }
    const waitMs = Math.max(1, this.#keepAliveMs - (performance.now() - this.#lastWriteAt));
    this.#timer = startTimer(() => {
      if (!this.isClosed) this.#keepAlive();
    }, waitMs);
  }

  #onClosed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const callback of this.#closeCallbacks.splice(0)) callback();
  }
}
