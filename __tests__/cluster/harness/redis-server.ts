import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { findProgram } from '../../helpers/programs';
import { hasEnded, killAndWait, spawnGuarded } from './process-guard';

export interface RedisServerOptions {
  /** Default: a free port. */
  readonly port?: number;
  /** Additional arguments of redis-server. */
  readonly args?: readonly string[];
  /** Whether it runs as a Redis Cluster of one node. Default false. */
  readonly clusterMode?: boolean;
}

/** How often each command ran since the start or the last reset, including commands of scripts. */
export type CommandCounts = Readonly<Record<string, number>>;

export interface KeyInfo {
  readonly key: string;
  readonly type: string;
  /** Undefined if it never expires. */
  readonly ttlMs: number | undefined;
}

const START_TRIES = 5;

/**
 * A redis-server on a loopback port with a temporary folder. It saves nothing to disk unless `restart({ keep: true })` or
 * `save()` is called. It ends with this process at the latest.
 *
 * Needs the program redis-server: use it under `requires('redis-server').describe`.
 */
export class RedisServer {
  readonly port: number;
  readonly #options: RedisServerOptions;
  readonly #folder = mkdtempSync(join(tmpdir(), 'ai-balancer-redis-'));
  #child: ChildProcess | undefined;

  private constructor(port: number, options: RedisServerOptions) {
    this.port = port;
    this.#options = options;
  }

  /** Resolves when it accepts commands. */
  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    for (let tries = 1; ; tries++) {
      const server = new RedisServer(options.port ?? (await freePort()), options);
      try {
        await server.#launch();
        return server;
      } catch (error) {
        await server.close();
        // Another process may have taken the port meanwhile.
        if (tries === START_TRIES || options.port !== undefined) throw error;
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Kills it. What was not saved is lost. */
  async kill9(): Promise<void> {
    if (this.#child) await killAndWait(this.#child);
  }

  /** Sends SIGSTOP: connections stay open, but nothing is answered. */
  stop(): void {
    this.#child?.kill('SIGSTOP');
  }

  /** Sends SIGCONT. */
  cont(): void {
    this.#child?.kill('SIGCONT');
  }

  /**
   * Kills it and starts it on the same port; also the way back after `kill9()`.
   * @param keep Whether its keys survive, as far as it is alive. Default false: they are lost.
   */
  async restart({ keep = false }: { keep?: boolean } = {}): Promise<void> {
    const alive = this.#child !== undefined && !hasEnded(this.#child);
    if (keep && alive) await this.save();
    await this.kill9();
    if (!keep) rmSync(join(this.#folder, 'dump.rdb'), { force: true });
    await this.#launch();
  }

  /** Saves its keys to disk for a later start. */
  async save(): Promise<void> {
    await this.withClient((client) => client.save());
  }

  async flush(): Promise<void> {
    await this.withClient((client) => client.flushall());
  }

  /** By lower-case name: `evalsha`, `hget`, `client|setinfo`. */
  async commandCounts(): Promise<CommandCounts> {
    const info = await this.withClient((client) => client.info('commandstats'));
    const counts = [...info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)];
    return Object.fromEntries(counts.map(([, name = '', calls]) => [name, Number(calls)] as const));
  }

  async resetCounts(): Promise<void> {
    await this.withClient(async (client) => {
      await client.config('RESETSTAT');
    });
  }

  async keys(pattern = '*'): Promise<KeyInfo[]> {
    return this.withClient(async (client) => {
      const names = (await client.keys(pattern)).sort();
      return Promise.all(
        names.map(async (key) => {
          const [type, ttl] = await Promise.all([client.type(key), client.pttl(key)]);
          return { key, type, ttlMs: ttl < 0 ? undefined : ttl };
        }),
      );
    });
  }

  /** Runs a function with a new client, which is closed afterwards. Rejects if Redis is unreachable. */
  async withClient<T>(action: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis(this.port, '127.0.0.1', {
      lazyConnect: true,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
      enableReadyCheck: false,
      disconnectTimeout: 50,
      commandTimeout: 500,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await action(client);
    } finally {
      client.disconnect();
    }
  }

  /** Ends it and removes its folder. May be called again. */
  async close(): Promise<void> {
    await this.kill9();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #launch(): Promise<void> {
    const program = findProgram('redis-server');
    if (program === undefined) throw new Error('redis-server is not installed');
    const { args = [], clusterMode = false } = this.#options;
    const basics = ['--port', `${this.port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    // The default bus port, 10,000 higher, may be above the last port.
    const cluster = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', '--cluster-port'];
    const more = clusterMode ? [...cluster, `${await freePort()}`] : [];
    const flags = [...basics, '--dir', this.#folder, ...more, ...args];
    const child = spawnGuarded(program, flags, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child = child;
    await isReady(child);
    if (clusterMode) await this.#takeAllSlots();
  }

  async #takeAllSlots(): Promise<void> {
    await this.withClient(async (client) => {
      const isWhole = async () => (await client.cluster('INFO')).includes('cluster_state:ok');
      if (!(await isWhole())) {
        // Fails after a restart, when it has the slots already.
        await client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383').catch(() => undefined);
      }
      for (let tries = 0; !(await isWhole()); tries++) {
        if (tries === 200) throw new Error('Redis Cluster did not come up');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
  }
}

async function isReady(child: ChildProcess): Promise<void> {
  let log = '';
  await new Promise<void>((resolve, reject) => {
    const fail = () => reject(new Error(`redis-server exited at the start:\n${log.slice(-1_000)}`));
    child.once('error', reject);
    child.once('exit', fail);
    child.stdout?.on('data', (text: Buffer) => {
      log = (log + text.toString()).slice(-4_000);
      if (!log.includes('Ready to accept connections')) return;
      child.off('exit', fail);
      resolve();
    });
  });
}

/** A loopback port on which nothing listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
