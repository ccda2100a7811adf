import { parseFlags } from './flags';
import { HELP } from './help';
import type { Simulation, SimulationJob } from './job';
import { runJob } from './jobs';
import { reportOf, tell } from './report';

export { HELP };

/** Runs `simulate`. Gives back the exit code. */
export async function simulate(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args);
  if (flags === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  const run = await runJob<Simulation>({ flags } satisfies SimulationJob);
  const [first] = run.quotas;
  const more = first
    ? await runJob<Simulation>({ flags, oneMore: first.endpoint } satisfies SimulationJob)
    : undefined;
  const report = reportOf(flags, run, more);
  process.stdout.write(flags.json ? `${JSON.stringify(report, undefined, 2)}\n` : tell(report));
  return 0;
}
