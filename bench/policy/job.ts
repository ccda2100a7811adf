// Loaded only in a child process, after virtual time is installed.
import { balancerPolicy } from '../../lib/cli/simulate/engine/balancer-policy';
import { type RunPlan, type RunResult, runPlan } from '../../lib/cli/simulate/engine/run';
import type { VirtualTime } from '../../lib/cli/simulate/engine/virtual-time';
import type { BalancerConfig } from '../../lib/index';
import { balancerConfig } from './balancer-config';
import { STRATEGIES } from './policies';
import { RULES } from './rules';
import { fleetOf, planOf, type ScenarioName } from './scenarios';

/** One run: a policy on a scenario with a seed. */
export interface BenchJob {
  readonly policy: string;
  readonly scenario: ScenarioName;
  readonly seed: number;
  readonly quick: boolean;
}

export async function runBenchJob(job: BenchJob, time: VirtualTime): Promise<RunResult> {
  const plan = planOf(job.scenario, job.seed, job.quick);
  const fleet = fleetOf(job.scenario);
  const rule = RULES.get(job.policy);
  if (rule) return runPlan(time, plan, (providers) => rule(fleet, providers));
  const strategy = STRATEGIES.find((name) => name === job.policy);
  if (!strategy) throw new RangeError(`unknown policy '${job.policy}'`);
  return runBalancer(time, plan, balancerConfig(fleet, strategy));
}

/** Runs the package on a plan. */
export function runBalancer(time: VirtualTime, plan: RunPlan, config: BalancerConfig): Promise<RunResult> {
  return runPlan(time, plan, (providers) =>
    balancerPolicy({ config, providers, calls: plan.calls, stream: true }),
  );
}
