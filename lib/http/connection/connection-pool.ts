import type { Socket } from 'node:net';
import { type Connector, createConnector } from './connector';
import { Http1Connection, prepareParser } from './http1-connection';
import { Http2Connection } from './http2-connection';
import { type Proxy, type ProxySetting, proxyFor } from './proxy';
import type { WireRequest, WireResponse } from './wire-response';

/** The most idle HTTP/1 connections that are kept. */
const MAX_IDLE = 1_024;

/** Fails an HTTP/1 connection whose server has chosen HTTP/2. */
const SWITCH_TO_HTTP2 = new Error('the server speaks HTTP/2');

export interface PoolOptions {
  readonly connectMs: number;
  readonly proxy: ProxySetting;
}

/**
 * The connections to one origin. A request never waits for another: it gets an idle connection, a place in an HTTP/2
 * connection, or a connection of its own. How many calls run at once is up to the quota.
 */
export class ConnectionPool {
  readonly #origin: URL;
  /**
   * The proxy to which plain HTTP requests are sent. To https: origins, the connector opens a tunnel through the proxy
   * instead.
   */
  readonly #forwarder: Proxy | undefined;
  readonly #connect: Connector;
  readonly #idle: Http1Connection[] = [];
  readonly #http2 = new Set<Http2Connection>();
  #isClosed = false;

  constructor(origin: URL, { connectMs, proxy: setting }: PoolOptions) {
    prepareParser();
    this.#origin = origin;
    const proxy = proxyFor(origin, setting);
    this.#forwarder = origin.protocol === 'http:' ? proxy : undefined;
    const connect = createConnector(connectMs, proxy);
    this.#connect = (options, callback) =>
      connect(options, (...[error, socket]) => {
        if (error) callback(error, null);
        else if ((socket as { alpnProtocol?: unknown }).alpnProtocol !== 'h2') callback(null, socket);
        else {
          this.#addHttp2(socket);
          callback(SWITCH_TO_HTTP2, null);
        }
      });
  }

  send(request: WireRequest, response: WireResponse): void {
    if (response.isOver) return;
    const http2 = this.#http2WithRoom();
    if (http2) {
      http2.send(request, response);
      return;
    }
    // Takes the connection that was used last, so that the others can go idle and close.
    const connection = this.#idle.pop() ?? this.#newConnection();
    connection.send(this.#forwarder ? this.#forwarded(request, this.#forwarder) : request, response);
  }

  /** Closes idle connections; those in use close when their requests end. */
  close(): void {
    this.#isClosed = true;
    for (const connection of this.#idle.splice(0)) connection.close();
    for (const connection of [...this.#http2]) connection.close();
  }

  #newConnection(): Http1Connection {
    const origin = this.#forwarder?.origin ?? this.#origin.origin;
    return new Http1Connection(origin, this.#connect, {
      onIdle: (connection) => {
        if (this.#isClosed || this.#idle.length >= MAX_IDLE) connection.close();
        else this.#idle.push(connection);
      },
      onClosed: (connection) => {
        const index = this.#idle.indexOf(connection);
        if (index >= 0) this.#idle.splice(index, 1);
      },
      isSwitch: (error) => error === SWITCH_TO_HTTP2,
      onSwitch: (request, response) => this.send(request, response),
    });
  }

  /**
   * Keeps a new HTTP/2 connection, unless another one has room: calls that start at the same time each open a
   * connection.
   */
  #addHttp2(socket: Socket): void {
    if (this.#http2WithRoom()) {
      socket.destroy();
      return;
    }
    const connection = new Http2Connection(this.#origin, socket, () => this.#http2.delete(connection));
    this.#http2.add(connection);
    if (this.#isClosed) setImmediate(() => connection.close());
  }

  #http2WithRoom(): Http2Connection | undefined {
    if (this.#http2.size === 0) return undefined;
    for (const connection of this.#http2) if (connection.hasRoom) return connection;
    return undefined;
  }

  #forwarded(request: WireRequest, { authorization }: Proxy): WireRequest {
    const headers: Record<string, string> = { ...request.headers, host: this.#origin.host };
    if (authorization !== undefined) headers['proxy-authorization'] = authorization;
    return { ...request, path: this.#origin.origin + request.path, headers };
  }
}

/**
 * The pools of a balancer, one for each origin and set of options. Endpoints at the same origin share their
 * connections.
 */
export class ConnectionPools {
  readonly #pools = new Map<string, { readonly pool: ConnectionPool; users: number }>();

  /** @returns The pool, and a function that releases it. */
  acquire(origin: URL, options: PoolOptions): { readonly pool: ConnectionPool; release(): void } {
    const key = JSON.stringify([origin.origin, options]);
    const entry = this.#pools.get(key) ?? {
      pool: new ConnectionPool(new URL(origin.origin), options),
      users: 0,
    };
    this.#pools.set(key, entry);
    entry.users++;
    return {
      pool: entry.pool,
      release: () => {
        if (--entry.users > 0) return;
        this.#pools.delete(key);
        entry.pool.close();
      },
    };
  }
}
