import { Socket } from 'node:net';
import type { Dispatcher } from 'undici';
import Client from 'undici/lib/dispatcher/client.js';
import type { HttpHeaders } from '../../provider/dialect';
import type { Connector, PendingConnection } from './connector';
import type { Carrier, WireRequest, WireResponse } from './wire-response';

/**
 * Idle connections close after this time, in milliseconds, before the load balancers of common providers close them (60
 * s and more).
 */
const IDLE_MS = 55_000;
/** If the server announces a keep-alive timeout, idle connections close this many milliseconds before it. */
const IDLE_MARGIN_MS = 1_000;

export interface Http1Listeners {
  /** The connection can take another request. */
  onIdle(connection: Http1Connection): void;
  /** The connection is closed and takes no more requests. */
  onClosed(connection: Http1Connection): void;
  /** Whether an error says that the server speaks HTTP/2, so that the request must be sent over that instead. */
  isSwitch(error: Error): boolean;
  onSwitch(request: WireRequest, response: WireResponse): void;
}

/** A request and the response to it. */
interface Exchange {
  /** Undefined once the response has begun: a stream may take minutes, and its prompt would be held for that time. */
  request: WireRequest | undefined;
  readonly response: WireResponse;
}

/**
 * An HTTP/1.1 connection, which carries one request at a time. It wraps undici's client and is the handler of its
 * requests.
 */
export class Http1Connection implements Carrier, Dispatcher.DispatchHandler {
  readonly #client: InstanceType<typeof Client>;
  readonly #listeners: Http1Listeners;
  #exchange: Exchange | undefined;
  #pending: PendingConnection | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #isReused = false;
  #isClosed = false;

  constructor(origin: string, connect: Connector, listeners: Http1Listeners) {
    this.#listeners = listeners;
    this.#client = new Client(origin, {
      connect: (options, callback) => {
        this.#pending = connect(options, callback);
      },
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: IDLE_MS,
      keepAliveTimeoutThreshold: IDLE_MARGIN_MS,
    });
    this.#client.on('connect', () => {
      this.#isReused = false;
      this.#pending = undefined;
    });
    this.#client.on('disconnect', () => {
      // If a request is waiting, undici opens the connection again by itself.
      if (!this.#exchange) this.close();
    });
  }

  get isReused(): boolean {
    return this.#isReused;
  }

  send(request: WireRequest, response: WireResponse): void {
    this.#exchange = { request, response };
    const { method, path, headers, body, idleTimeoutMs } = request;
    const options = { method, path, headers, body } as Dispatcher.DispatchOptions;
    if (idleTimeoutMs > 0)
      Object.assign(options, { headersTimeout: idleTimeoutMs, bodyTimeout: idleTimeoutMs });
    response.onSent(this);
    if (!response.isOver) this.#client.dispatch(options, this);
  }

  /** Closes the connection once its request has ended. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#client.close().catch(() => undefined);
    this.#listeners.onClosed(this);
  }

  abort(error: Error): void {
    if (this.#controller) {
      this.#controller.abort(error);
      return;
    }
    // The request has not been written yet: the connection is being opened, or opened again.
    this.#pending?.cancel(error);
    this.#destroy();
  }

  pause(): void {
    this.#controller?.pause();
  }

  resume(): void {
    this.#controller?.resume();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: HttpHeaders,
    statusText = '',
  ): void {
    // Buffers of all names and values, which undici would keep until the response ends, with the chunk around them.
    controller.rawHeaders = null;
    const exchange = this.#exchange;
    if (!exchange) return;
    exchange.request = undefined;
    exchange.response.onHeaders(status, headers, statusText);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#exchange?.response.onData(chunk);
  }

  onResponseEnd(): void {
    const exchange = this.#end();
    this.#isReused = true;
    if (!this.#isClosed) this.#listeners.onIdle(this);
    exchange?.response.onEnd();
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    const exchange = this.#end();
    if (exchange?.request && this.#listeners.isSwitch(error)) {
      this.#listeners.onSwitch(exchange.request, exchange.response);
    } else {
      exchange?.response.onError(error);
    }
    this.#destroy();
  }

  /** Destroys the client: client.close() would open a connection again for a request that has been aborted. */
  #destroy(): void {
    this.#isClosed = true;
    // Deferred, because undici's callback still uses the client.
    void Promise.resolve().then(() => this.#client.destroy());
    this.#listeners.onClosed(this);
  }

  #end(): Exchange | undefined {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#controller = undefined;
    return exchange;
  }
}

let isPrepared = false;

/**
 * Compiles undici's HTTP parser, which it otherwise does when the first connection opens: that would block the event
 * loop for tens of milliseconds while calls are in flight.
 */
export function prepareParser(): void {
  if (isPrepared) return;
  isPrepared = true;
  const client = new Client('http://localhost', {
    connect: (_options, callback) => callback(null, new Socket()),
  });
  const ignored = (): void => undefined;
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart: (controller) => controller.abort(new Error('nothing is sent')),
    onResponseError: ignored,
  };
  client.dispatch({ method: 'GET', path: '/' }, handler);
  void client.destroy();
}
