import cluster from 'node:cluster';
import { AiBalancerError } from '../../index';
import { UsageError } from '../usage-error';
import { SERVE_HELP } from './help';
import { shareOf } from './quota-share';
import { GatewayServer } from './server';
import { readSettings, type ServeSettings } from './settings';
import { runWorkers } from './workers';

/** Runs the serve command until a signal stops it. Resolves to the exit code. */
export async function serve(args: readonly string[]): Promise<number> {
  const settings = await readSettings(args);
  if (settings === 'help') {
    process.stdout.write(SERVE_HELP);
    return 0;
  }
  const { host, workers } = settings;
  const announce = (port: number): void => {
    const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
    process.stdout.write(`listening on ${url} (API at /v1, page at /dashboard)\n`);
  };
  if (workers > 1 && cluster.isPrimary) await runWorkers(workers, announce);
  else await runServer(settings, cluster.isPrimary ? announce : () => undefined);
  return 0;
}

async function runServer(settings: ServeSettings, announce: (port: number) => void): Promise<void> {
  const config = shareOf(settings.config, settings.workers);
  const stopped = new Promise<void>((resolve) => {
    // A terminal sends SIGINT to workers too. They ignore it, because the primary stops them.
    if (cluster.isWorker) process.on('SIGINT', () => undefined);
    else process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  let server: GatewayServer;
  let port: number;
  try {
    server = new GatewayServer({ ...settings, config });
    port = await server.listen();
  } catch (error) {
    throw startError(error, settings);
  }
  announce(port);
  await stopped;
  await server.stop();
  // Closes the channel to the primary, which would keep the worker alive.
  if (cluster.isWorker) process.disconnect();
}

/** Replaces what the user can mend by an error that is printed without a stack. */
function startError(error: unknown, { host, port }: ServeSettings): unknown {
  if (AiBalancerError.isInstance(error)) return new UsageError(error.message);
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE')
    return new UsageError(`port ${port} of ${host} is in use: choose another with --port`);
  if (code === 'EACCES')
    return new UsageError(`port ${port} of ${host} needs more rights: choose another with --port`);
  return error;
}
