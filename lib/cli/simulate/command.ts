import { runJob } from './child-job';
import { parseFlags } from './flags';
import { HELP } from './help';
import { createReport, formatReport } from './report';
import type { SimulationJob, SimulationResult } from './simulation';

/** Runs the simulate command. Resolves to the exit code. */
export async function simulate(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args);
  if (flags === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  const run = await runJob<SimulationResult>({ flags } satisfies SimulationJob);
  const [first] = run.quotas;
  const withExtraKey = first
    ? await runJob<SimulationResult>({ flags, extraKeyFor: first.endpoint } satisfies SimulationJob)
    : undefined;
  const report = createReport(flags, run, withExtraKey);
  process.stdout.write(flags.json ? `${JSON.stringify(report, undefined, 2)}\n` : formatReport(report));
  return 0;
}
