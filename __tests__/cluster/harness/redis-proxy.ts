import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

const TRIP_MS = 2;

interface Connection {
  readonly client: Socket;
  readonly server: Socket;
}

/**
 * A proxy to Redis in this process. It counts round trips, adds latency, and can block or close connections like a broken
 * network.
 *
 * A round trip is counted when a client sends something at least 2 ms after what it sent before: commands written
 * together travel together, and an answer takes 2 * `delayMs` to come back, so one that waited for it can be recognized.
 */
export class RedisProxy {
  readonly #server: Server;
  readonly #target: number;
  readonly #delayMs: number;
  readonly #connections = new Set<Connection>();
  #blocked = false;
  #trips = 0;

  private constructor(target: number, delayMs: number) {
    this.#target = target;
    this.#delayMs = delayMs;
    this.#server = createServer((client) => this.#accept(client));
  }

  /** @param delayMs One way, in milliseconds. Default 3: round trips can be recognized only well above 1. */
  static async start({ port }: { readonly port: number }, { delayMs = 3 } = {}): Promise<RedisProxy> {
    const proxy = new RedisProxy(port, delayMs);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Round trips of all clients so far, including handshakes. */
  get trips(): number {
    return this.#trips;
  }

  /** Drops all data without closing a connection, like a network that loses packets. New connections hang too. */
  block(): void {
    this.#blocked = true;
  }

  /** Closes all connections, and lets new ones through. */
  unblock(): void {
    this.#blocked = false;
    this.cut();
  }

  /** Closes all connections. */
  cut(): void {
    for (const { client, server } of this.#connections) {
      client.destroy();
      server.destroy();
    }
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.cut();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    const server = connect({ port: this.#target, host: '127.0.0.1', noDelay: true });
    client.setNoDelay(true);
    const connection = { client, server };
    this.#connections.add(connection);
    let sentAt = -Infinity;
    client.on('data', (data) => {
      const now = performance.now();
      if (now - sentAt >= TRIP_MS) this.#trips += 1;
      sentAt = now;
      this.#forward(data, server);
    });
    server.on('data', (data) => this.#forward(data, client));
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('error', () => undefined);
      from.once('close', () => {
        this.#connections.delete(connection);
        to.destroy();
      });
    }
  }

  #forward(data: Buffer, to: Socket): void {
    setTimeout(() => {
      if (!this.#blocked && to.writable) to.write(data);
    }, this.#delayMs);
  }
}
