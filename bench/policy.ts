/**
 * Compares the package with the published rules of other balancers on real traces in virtual time, and with an upper
 * bound for any policy. See `npm run bench:policy -- --help`.
 */
import { writeFileSync } from 'node:fs';
import { serveJobIfChild } from '../lib/cli/simulate/child-job';
import { installVirtualTime } from '../lib/cli/simulate/engine/virtual-time';
import { UsageError } from '../lib/cli/usage-error';
import type { BenchJob } from './policy/job';
import type { BenchOptions } from './policy/options';

// A child process runs one job: a simulation on virtual time, which must be installed before any other module is loaded.
const isChildProcess = serveJobIfChild(async (job) => {
  const time = installVirtualTime();
  const { runBenchJob: serveBenchJob } = await import('./policy/job');
  return serveBenchJob(job as BenchJob, time);
});

if (!isChildProcess) {
  main(process.argv.slice(2)).catch((error: unknown) => {
    console.error(error instanceof UsageError ? error.message : error);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  });
}

async function main(args: readonly string[]): Promise<void> {
  const { HELP, parseOptions } = await import('./policy/options');
  const options = parseOptions(args);
  if (options === 'help') {
    console.log(HELP);
    return;
  }
  await bench(options, args);
}

async function bench(options: BenchOptions, args: readonly string[]): Promise<void> {
  const { runAll } = await import('./policy/run-all');
  const { boundsOf } = await import('./policy/bound');
  const { tables } = await import('./policy/table');
  const { hasTraces } = await import('./policy/scenarios');
  const { details } = await import('./policy/detail');
  const results = await runAll(options, ({ job, figures, tookMs }, done, of) => {
    const { goodput, weighted, byPriority } = figures;
    const shares = [goodput, weighted, byPriority[5]].map((share) => share.toFixed(2)).join(' / ');
    const took = (tookMs / 1000).toFixed(1);
    console.error(`${done}/${of} ${job.scenario} ${job.policy} seed ${job.seed}: ${shares} in ${took} s`);
  });
  const bounds = boundsOf(options);
  const command = commandOf(args);
  const traces = hasTraces()
    ? 'Lengths and gaps are those of the Azure traces.'
    : 'The Azure traces were not available: lengths are drawn from their published percentiles, gaps are Poisson.';
  const text = [
    `Made by \`${command}\`: seeds ${options.seeds[0]} to ${options.seeds.at(-1)}, mean ± standard error. ${traces}`,
    tables(results, bounds),
  ].join('\n\n');
  const json = JSON.stringify({ command, results, bounds: Object.fromEntries(bounds) }, undefined, 1);
  console.log(options.json ? json : text);
  if (options.detail && !options.json) console.log(`\n${details(results)}`);
  if (options.out !== undefined) writeFileSync(options.out, json);
  if (options.write) {
    const { writeDocument } = await import('./policy/document');
    writeDocument(text);
  }
}

/** The command that reproduces the figures, without its output options. */
function commandOf(args: readonly string[]): string {
  const kept = args.filter(
    (arg, index) =>
      !/^--(out|rest|write|json)\b/.test(arg) && !['--out', '--rest'].includes(args[index - 1] ?? ''),
  );
  return ['npm run bench:policy', ...(kept.length > 0 ? ['--', ...kept] : [])].join(' ');
}
