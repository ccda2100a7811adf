import { runJob } from './child-job';
import { parseFlags, type SimulateFlags } from './flags';
import { HELP } from './help';
import { readReplay } from './replay';
import { createReplayReport, formatReplayReport } from './replay-report';
import { createReport, formatReport } from './report';
import type { SimulationJob, SimulationResult } from './simulation';

/** Runs the simulate command. Resolves to the exit code. */
export async function simulate(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args);
  if (flags === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  if (flags.replay !== undefined) return replay(flags, flags.replay);
  const run = await runJob<SimulationResult>({ flags } satisfies SimulationJob);
  const [first] = run.quotas;
  const withExtraKey = first
    ? await runJob<SimulationResult>({ flags, extraKeyFor: first.endpoint } satisfies SimulationJob)
    : undefined;
  const report = createReport(flags, run, withExtraKey);
  process.stdout.write(flags.json ? `${JSON.stringify(report, undefined, 2)}\n` : formatReport(report));
  return 0;
}

/** Beside the run itself, one with all endpoints shows what leaving some out changes. */
async function replay(flags: SimulateFlags, file: string): Promise<number> {
  const { calls: _calls, ...log } = readReplay(file, flags.deadlineMs);
  const { startAtMs } = log;
  const run = await runJob<SimulationResult>({ flags, startAtMs } satisfies SimulationJob);
  const all =
    flags.without.length === 0
      ? undefined
      : await runJob<SimulationResult>({
          flags: { ...flags, without: [] },
          startAtMs,
        } satisfies SimulationJob);
  const report = createReplayReport(flags, log, run, all);
  process.stdout.write(flags.json ? `${JSON.stringify(report, undefined, 2)}\n` : formatReplayReport(report));
  return 0;
}
