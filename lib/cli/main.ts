#!/usr/bin/env node
import { serveJobIfChild } from './simulate/child-job';
import { installVirtualTime } from './simulate/engine/virtual-time';
import { UsageError } from './usage-error';

// A child process runs one simulation. Virtual time must be installed before any module that reads the clock is loaded.
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
  if (command === 'serve') {
    const { serve } = await import('./serve/command');
    return serve(args);
  }
  if (command === 'simulate') {
    const { simulate } = await import('./simulate/command');
    return simulate(args);
  }
  if (command === undefined || command === '--help' || command === '-h' || command === 'help') {
    const [{ HELP }, { SERVE_HELP }] = await Promise.all([import('./simulate/help'), import('./serve/help')]);
    process.stdout.write(`${HELP}\n${SERVE_HELP}`);
    return command === undefined ? 2 : 0;
  }
  throw new UsageError(`unknown command '${command}': expected 'simulate' or 'serve' (see --help)`);
}
