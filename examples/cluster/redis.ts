import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A redis-server that the demo starts and kills. */
export class DemoRedis {
  readonly #port: number;
  readonly #folder = mkdtempSync(join(tmpdir(), 'cluster-demo-'));
  #child: ChildProcess | undefined;

  private constructor(port: number) {
    this.#port = port;
    process.once('exit', () => this.#child?.kill('SIGKILL'));
  }

  /** Undefined if redis-server is not installed. */
  static async start(): Promise<DemoRedis | undefined> {
    const redis = new DemoRedis(await freePort());
    try {
      await redis.restart();
      return redis;
    } catch (error) {
      await redis.close();
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#port}`;
  }

  /** Sends SIGKILL: nothing is saved. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  /** Starts it empty on the same port. */
  async restart(): Promise<void> {
    const flags = ['--port', `${this.#port}`, '--bind', '127.0.0.1', '--dir', this.#folder];
    const child = spawn('redis-server', [...flags, '--save', '', '--appendonly', 'no'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', () => reject(new Error('redis-server did not start')));
      child.stdout.on('data', (text: Buffer) => {
        if (text.includes('Ready to accept connections')) resolve();
      });
    });
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
