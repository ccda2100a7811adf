#!/usr/bin/env node
import { version } from '../../package.json';
import { didYouMean } from '../util/did-you-mean';
import { serveJobIfChild } from './simulate/child-job';
import { installVirtualTime } from './simulate/engine/virtual-time';
import { UsageError } from './usage-error';

const COMMANDS = ['simulate', 'serve', 'migrate'];

// In a child process, runs one simulation. Virtual time must be installed before any module that reads the clock loads.
const isChildProcess = serveJobIfChild(async (job) => {
  const { startAtMs } = job as { readonly startAtMs?: number };
  const time = installVirtualTime(startAtMs);
  const { runSimulation } = await import('./simulate/simulation');
  return runSimulation(job, time);
});

if (!isChildProcess) {
  main(process.argv.slice(2)).then(
    (code) => {
      process.exitCode = code;
    },
    (error: unknown) => {
      const text = error instanceof UsageError ? error.message : ((error as Error).stack ?? String(error));
      process.stderr.write(`${text}\n`);
      process.exitCode = error instanceof UsageError ? 2 : 1;
    },
  );
}

async function main([command, ...args]: readonly string[]): Promise<number> {
  switch (command) {
    case 'serve':
      return (await import('./serve/command')).serve(args);
    case 'simulate':
      return (await import('./simulate/command')).simulate(args);
    case 'migrate':
      return (await import('./migrate/command')).migrate(args);
    case '--version':
    case '-v':
      process.stdout.write(`${version}\n`);
      return 0;
    case 'help':
    case '--help':
    case '-h':
    case undefined:
      process.stdout.write(await help());
      return command === undefined ? 2 : 0;
    default: {
      const near = didYouMean(command, COMMANDS);
      throw new UsageError(
        `unknown command '${command}': ${near === undefined ? `expected ${COMMANDS.join(', ')}` : `did you mean '${near}'?`} (see --help)`,
      );
    }
  }
}

async function help(): Promise<string> {
  const [{ HELP }, { SERVE_HELP }, { MIGRATE_HELP }] = await Promise.all([
    import('./simulate/help'),
    import('./serve/help'),
    import('./migrate/help'),
  ]);
  return `express-ai-balancer ${version}: simulate, serve, migrate\n\n${[HELP, SERVE_HELP, MIGRATE_HELP].join('\n')}`;
}
