import { Socket } from 'node:net';
import type { buildConnector } from 'undici';
import connectorOf from 'undici/lib/core/connect.js';
import Client from 'undici/lib/dispatcher/client.js';
import { afterPendingIO, startTimer } from '../../util/timers';
import type { Proxy } from './proxy';
import { connectTimeout, proxyRefused, toSocketError } from './wire-errors';

/** Opens a connection and calls back once. */
export type Connector = (options: buildConnector.Options, callback: Callback) => PendingConnection;
type Callback = buildConnector.Callback;

/** A connection that is being opened. */
export interface PendingConnection {
  /** Stops connecting and calls back with the error. Has no effect once the connection is open or has failed. */
  cancel(error: Error): void;
}

/** A socket or client that is destroyed to stop connecting. */
interface Destroyable {
  destroy(error: Error): unknown;
}

/**
 * Opens TCP and TLS connections, directly or through a tunnel of the proxy, each within `connectMs`. TLS offers
 * HTTP/1.1 and HTTP/2; certificates are checked against Node's authorities and NODE_EXTRA_CA_CERTS.
 */
export function createConnector(connectMs: number, proxy: Proxy | undefined): Connector {
  const connect = withoutTimeout();
  return (options, callback) => {
    const timeout = new ConnectTimeout(connectMs, callback);
    if (proxy && options.protocol === 'https:') openTunnel(options, proxy, connect, timeout);
    else timeout.watch(connect(options, timeout.settle));
    return timeout;
  };
}

/** undici's connectors return the socket, although their type doesn't say so. */
type Connect = (...args: Parameters<buildConnector.connector>) => Socket;

function withoutTimeout(): Connect {
  return connectorOf({ allowH2: true, timeout: 0 }) as unknown as Connect;
}

function openTunnel(
  options: buildConnector.Options,
  proxy: Proxy,
  connectTls: Connect,
  timeout: ConnectTimeout,
): void {
  const path =
    options.host?.includes(':') && options.port ? options.host : `${options.host ?? options.hostname}:443`;
  const client = new Client(proxy.origin, { connect: connectorOf({ timeout: 0 }), headersTimeout: 0 });
  timeout.watch(client);
  const headers: Record<string, string> = { host: path };
  if (proxy.authorization !== undefined) headers['proxy-authorization'] = proxy.authorization;
  client.dispatch(
    { method: 'CONNECT', path, headers },
    {
      onRequestStart: () => undefined,
      onRequestUpgrade: (_controller, status, _headers, duplex) => {
        const socket: unknown = duplex;
        if (!(socket instanceof Socket)) return;
        closeQuietly(client);
        if (status === 200) {
          timeout.watch(connectTls({ ...options, httpSocket: socket }, timeout.settle));
          return;
        }
        socket.on('error', () => undefined).destroy();
        timeout.settle(proxyRefused(status), null);
      },
      onResponseError: (_controller, error) => {
        closeQuietly(client);
        // Replaces undici's own error codes: with one of those, the client that sends the request would open its
        // connection again and again.
        timeout.settle(toSocketError(error, false), null);
      },
    },
  );
}

/** Closes a client. Its error is ignored, because the timeout may have destroyed the client already. */
function closeQuietly(client: InstanceType<typeof Client>): void {
  client.close().catch(() => undefined);
}

/** Calls back once: with the connection, its error, or the error of the timeout. */
class ConnectTimeout implements PendingConnection {
  readonly settle: Callback;
  readonly #timer: ReturnType<typeof startTimer>;
  #connecting: Destroyable | undefined;
  #isSettled = false;

  constructor(connectMs: number, callback: Callback) {
    this.settle = (...result) => {
      if (this.#isSettled) return;
      this.#isSettled = true;
      clearTimeout(this.#timer);
      callback(...result);
    };
    this.#timer = startTimer(() => {
      // If the timer fired late, the connection may be established already: poll I/O once first.
      afterPendingIO(() => this.cancel(connectTimeout(connectMs)));
    }, connectMs);
  }

  /** Sets what is destroyed on a timeout or when the connection is cancelled. */
  watch(connecting: Destroyable): void {
    this.#connecting = connecting;
  }

  cancel(error: Error): void {
    if (this.#isSettled) return;
    this.settle(error, null);
    this.#connecting?.destroy(error);
  }
}
