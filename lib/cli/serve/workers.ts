import cluster, { type Worker } from 'node:cluster';

/** If a worker ends sooner than this after its start, the next one is started after {@link RESTART_DELAY_MS}. */
const SHORT_LIFE_MS = 5_000;
const RESTART_DELAY_MS = 1_000;

/**
 * Runs worker processes, and starts a new one for each that ends by itself. Resolves after a signal to stop, once all
 * workers have ended. Rejects if a worker ends before the first one listens, as with a wrong configuration.
 */
export function runWorkers(count: number, onListening: (port: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let isStopping = false;
    let hasListened = false;
    const start = (): void => {
      const startedAt = performance.now();
      const worker = cluster.fork();
      worker.once('listening', ({ port }) => {
        if (!hasListened) onListening(port);
        hasListened = true;
      });
      worker.once('exit', (code, signal) => {
        if (isStopping) {
          if (workersOf().length === 0) resolve();
          return;
        }
        if (!hasListened) {
          isStopping = true;
          for (const other of workersOf()) other.process.kill('SIGTERM');
          reject(new Error(`a worker ended before it listened (${signal || `exit code ${code}`})`));
          return;
        }
        const name = `worker ${String(worker.process.pid)}`;
        process.stderr.write(`${name} ended (${signal || `exit code ${code}`}): another one is started\n`);
        const isShort = performance.now() - startedAt < SHORT_LIFE_MS;
        setTimeout(() => !isStopping && start(), isShort ? RESTART_DELAY_MS : 0);
      });
    };
    const stop = (): void => {
      isStopping = true;
      if (workersOf().length === 0) resolve();
      for (const worker of workersOf()) worker.process.kill('SIGTERM');
    };
    process.on('SIGTERM', stop).on('SIGINT', stop);
    for (let index = 0; index < count; index++) start();
  });
}

function workersOf(): Worker[] {
  return Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
}
