import { runJob } from './child-job';
import { parseFlags, type SimulateFlags } from './flags';
import { HELP } from './help';
import type { ExtraKeys } from './more-keys';
import { Progress } from './progress';
import { readReplay } from './replay';
import { createReplayReport, formatReplayReport } from './replay-report';
import { createReport, formatReport } from './report';
import type { SimulationJob, SimulationResult } from './simulation';
import { describeTrial, findKeys } from './target';

/** Runs the simulate command. Resolves to the exit code. */
export async function simulate(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args);
  if (flags === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  if (flags.replay !== undefined) return replay(flags, flags.replay);
  const progress = new Progress(process.stderr);
  const simulateWith = async (extraKeys: ExtraKeys): Promise<SimulationResult> => {
    const job = { flags, extraKeys } satisfies SimulationJob;
    const result = await runJob<SimulationResult>(job, undefined, progress.start()).finally(() =>
      progress.end(),
    );
    // A search takes minutes, so that each run gets a line, also in a CI log without a terminal.
    if (flags.target !== undefined) progress.line(describeTrial(extraKeys, result));
    return result;
  };
  const run = await simulateWith({});
  const [first] = run.quotas;
  const { target } = flags;
  const found = target === undefined ? undefined : await findKeys(target, run, simulateWith);
  const withExtraKey = first && !found ? await simulateWith({ [first.account]: 1 }) : undefined;
  const report = createReport(flags, run, withExtraKey, found);
  process.stdout.write(flags.json ? `${JSON.stringify(report, undefined, 2)}\n` : formatReport(report));
  return 0;
}

/** Runs the calls of a route log; with --without also with all endpoints, to show what leaving some out changes. */
async function replay(flags: SimulateFlags, file: string): Promise<number> {
  const { calls: _calls, ...log } = readReplay(file, flags.deadlineMs);
  const { startAtMs } = log;
  const progress = new Progress(process.stderr);
  const runWith = (job: SimulationJob): Promise<SimulationResult> =>
    runJob<SimulationResult>(job, undefined, progress.start()).finally(() => progress.end());
  const run = await runWith({ flags, startAtMs });
  const all =
    flags.without.length === 0 ? undefined : await runWith({ flags: { ...flags, without: [] }, startAtMs });
  const report = createReplayReport(flags, log, run, all);
  process.stdout.write(flags.json ? `${JSON.stringify(report, undefined, 2)}\n` : formatReplayReport(report));
  return 0;
}
