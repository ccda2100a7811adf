import { readFileSync } from 'node:fs';
import { runJob } from '../../lib/cli/simulate/child-job';
import type { RunResult } from '../../lib/cli/simulate/engine/run';
import type { BenchJob } from './job';
import type { BenchOptions } from './options';

export interface BenchResult extends RunResult {
  readonly job: BenchJob;
}

/** Runs every policy on every scenario and seed, `options.jobs` at a time. */
export async function runAll(
  options: BenchOptions,
  onResult: (result: BenchResult, done: number, of: number) => void,
): Promise<BenchResult[]> {
  const jobs: BenchJob[] = options.scenarios.flatMap((scenario) =>
    options.seeds.flatMap((seed) =>
      options.policies.map((policy) => ({ policy, scenario, seed, quick: options.quick })),
    ),
  );
  const results: BenchResult[] = [];
  const stop = new AbortController();
  let next = 0;
  const work = async (): Promise<void> => {
    for (let job = jobs[next++]; job; job = jobs[next++]) {
      const result = { job, ...(await runJob<RunResult>(job, stop.signal)) };
      results.push(result);
      onResult(result, results.length, jobs.length);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(options.jobs, jobs.length) }, work));
  } catch (error) {
    stop.abort();
    throw error;
  }
  return options.rest === undefined ? results : [...results, ...earlierResults(options, options.rest)];
}

/** Results of an earlier run for the same scenarios and seeds, without the policies that were run now. */
function earlierResults({ scenarios, seeds, policies, quick }: BenchOptions, file: string): BenchResult[] {
  const { results } = JSON.parse(readFileSync(file, 'utf8')) as { results: BenchResult[] };
  return results.filter(
    ({ job }) =>
      job.quick === quick &&
      scenarios.includes(job.scenario) &&
      seeds.includes(job.seed) &&
      !policies.includes(job.policy),
  );
}
