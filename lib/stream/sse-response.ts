import type { ServerResponse } from 'node:http';
import { startTimer } from '../util/timers';

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
  #closed = false;
  #onClose: (() => void)[] = [];

  constructor(res: ServerResponse, keepAliveMs: number) {
    this.#res = res;
    this.#keepAliveMs = keepAliveMs;
    this.#closed = res.destroyed || res.writableEnded;
    res.on('close', () => this.#close());
    // Stays for good: a reset after the end would otherwise be an uncaught exception.
    res.on('error', () => this.#close());
  }

  /** The client has left, or the response was ended by someone else. */
  get closed(): boolean {
    return this.#closed || this.#res.destroyed || this.#res.writableEnded;
  }

  get headersSent(): boolean {
    return this.#res.headersSent;
  }

  /** Calls back when the client leaves, at once if it has. */
  whenClosed(callback: () => void): void {
    if (this.closed) callback();
    else this.#onClose.push(callback);
  }

  /** Sends the headers at once, so that the client knows that the answer will come as events. */
  open(headers: Readonly<Record<string, string>>): void {
    if (this.closed) return;
    if (!this.#res.headersSent) {
      this.#res.statusCode = 200;
      this.#res.removeHeader('content-length');
      for (const [name, value] of Object.entries({ ...headers, ...HEADERS }))
        this.#res.setHeader(name, value);
      this.#res.flushHeaders();
    }
    this.#lastWriteAt = performance.now();
    this.#watch();
  }

  /** Writes; undefined when more may follow at once, else a promise for when the client has caught up or left. */
  write(data: Uint8Array | string): Promise<void> | undefined {
    if (this.closed) return undefined;
    this.#lastWriteAt = performance.now();
    if (this.#res.write(data)) return undefined;
    return new Promise((resolve) => {
      const done = (): void => {
        this.#res.off('drain', done);
        this.#onClose = this.#onClose.filter((callback) => callback !== done);
        resolve();
      };
      this.#res.on('drain', done);
      this.whenClosed(done);
    });
  }

  end(data = ''): void {
    clearTimeout(this.#timer);
    if (!this.closed) this.#res.end(data);
  }

  /** Answers with JSON, while the headers have not been sent. */
  json(status: number, headers: Readonly<Record<string, string>>, body: unknown): void {
    if (this.closed) return;
    this.#res.statusCode = status;
    for (const [name, value] of Object.entries(headers)) this.#res.setHeader(name, value);
    this.#res.setHeader('content-type', 'application/json; charset=utf-8');
    this.end(JSON.stringify(body));
  }

  /** One timer that looks when it fires how long the line was idle: an event costs a clock reading, not a timer. */
  #watch(): void {
    const idleMs = performance.now() - this.#lastWriteAt;
    if (idleMs >= this.#keepAliveMs && !this.#res.writableNeedDrain) {
      this.#lastWriteAt = performance.now();
      this.#res.write(': keep-alive\n\n');
    }
    const waitMs = Math.max(1, this.#keepAliveMs - (performance.now() - this.#lastWriteAt));
    this.#timer = startTimer(() => {
      if (!this.closed) this.#watch();
    }, waitMs);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const callback of this.#onClose.splice(0)) callback();
  }
}
