import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import type { WorkerConfig, WorkerReport } from './shop';

const NOTHING: WorkerReport = { answered: 0, failed: 0, waited: 0, rateLimited: 0, quotas: '' };

/** The workers of the shop, forked by Node's cluster module, on one port. */
export class Workers {
  readonly url: string;
  readonly #workers: readonly Worker[];
  readonly #reports: WorkerReport[];

  private constructor(workers: readonly Worker[], port: number) {
    this.url = `http://127.0.0.1:${port}`;
    this.#workers = workers;
    this.#reports = workers.map(() => NOTHING);
    for (const [at, worker] of workers.entries()) {
      worker.on('message', (report: WorkerReport) => (this.#reports[at] = report));
    }
  }

  /** Resolves when all workers are listening. */
  static async start(count: number, config: WorkerConfig): Promise<Workers> {
    // The program is main.ts, in the same folder.
    cluster.setupPrimary({ exec: join(dirname(process.argv[1] ?? ''), 'worker.ts') });
    const workers = Array.from({ length: count }, () => cluster.fork({ SHOP: JSON.stringify(config) }));
    const ports = await Promise.all(workers.map(listening));
    return new Workers(workers, ports[0] ?? 0);
  }

  /** The last report of each worker. */
  get reports(): readonly WorkerReport[] {
    return this.#reports;
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#workers.map(async (worker) => {
        if (worker.isDead()) return;
        const exit = once(worker, 'exit');
        const late = setTimeout(() => worker.process.kill('SIGKILL'), 2_000);
        worker.process.kill('SIGTERM');
        await exit;
        clearTimeout(late);
      }),
    );
  }
}

function listening(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.once('listening', ({ port }) => resolve(port));
    worker.once('exit', () => reject(new Error('a worker exited before it was listening')));
  });
}
