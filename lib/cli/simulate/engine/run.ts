import { createHash } from 'node:crypto';
import { seededRandom } from '../../../simulator/behavior';
import { type CallOutcome, type Figures, figuresOf } from './figures';
import { GroupLimit, type GroupLimits } from './group-limit';
import { type ProviderOptions, type ScheduledFault, VirtualProvider } from './virtual-provider';
import type { VirtualTime } from './virtual-time';
import type { WorkCall } from './workload';

/** Everything that determines a run, except the policy. */
export interface RunPlan {
  readonly seed: number;
  readonly providers: readonly ProviderOptions[];
  /** The limits of the providers' groups, by name. */
  readonly groups?: Readonly<Record<string, GroupLimits>>;
  readonly faults: readonly ScheduledFault[];
  readonly calls: readonly WorkCall[];
}

/** Serves the calls of a run. A policy is the balancer, or another load balancing rule to compare it with. */
export interface Policy {
  /** Must settle by the call's deadline or shortly after. A rejection counts as a failure with the error's message. */
  serve(call: WorkCall): Promise<CallOutcome>;
  close?(): Promise<void> | void;
}

export interface RunResult {
  readonly figures: Figures;
  /** Hash of every call's outcome and every provider's counters. It is equal for equal plans and policies. */
  readonly digest: string;
  /** Duration of the run in milliseconds of real time. */
  readonly tookMs: number;
}

/** Time that calls have to settle after the last deadline, in milliseconds. */
const SETTLE_MS = 1000;

/** Runs a plan in virtual time. Only one run per process is possible, because it replaces the clock and Math.random. */
export async function runPlan(
  time: VirtualTime,
  plan: RunPlan,
  makePolicy: (providers: readonly VirtualProvider[]) => Policy | Promise<Policy>,
): Promise<RunResult> {
  const startedAt = time.realMs();
  Math.random = seededRandom(plan.seed * 7919 + 13);
  const providers = providersOf(plan);
  const policy = await makePolicy(providers);
  const ends: (CallOutcome | undefined)[] = new Array<CallOutcome | undefined>(plan.calls.length).fill(
    undefined,
  );
  scheduleFaults(plan.faults, providers);
  scheduleCalls(plan.calls, (call) => void serve(policy, call, ends));
  const until = plan.calls.reduce((last, { atMs, deadlineMs }) => Math.max(last, atMs + deadlineMs), 0);
  await time.advance(until + SETTLE_MS);
  const closed = policy.close?.();
  // Closing may wait for timers, which only fire as virtual time advances.
  await time.advance(SETTLE_MS);
  await closed;
  return {
    figures: figuresOf(plan.calls, ends, providers),
    digest: digestOf(ends, providers),
    tookMs: time.realMs() - startedAt,
  };
}

function providersOf({ seed, providers, groups = {} }: RunPlan): VirtualProvider[] {
  const shared = new Map(
    Object.entries(groups).map(([name, limits]) => [name, new GroupLimit(limits, performance.now())]),
  );
  return providers.map(
    (options, index) =>
      new VirtualProvider(options, seed * 1_000_003 + index * 101 + 7, shared.get(options.group ?? '')),
  );
}

async function serve(policy: Policy, call: WorkCall, ends: (CallOutcome | undefined)[]): Promise<void> {
  const since = performance.now();
  let end: CallOutcome;
  try {
    end = await policy.serve(call);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    end = { ok: false, reason, totalMs: performance.now() - since };
  }
  // An answer after the deadline does not count, whatever the policy reports.
  const late = end.ok && performance.now() - since > call.deadlineMs;
  ends[call.index] = late ? { ...end, ok: false, reason: 'late' } : end;
}

/** Keeps only one timer pending, because thousands would slow down every other timer. */
function scheduleCalls(calls: readonly WorkCall[], arrive: (call: WorkCall) => void): void {
  const origin = performance.now();
  let next = 0;
  const step = (): void => {
    for (let call = calls[next]; call; call = calls[++next]) {
      const wait = origin + call.atMs - performance.now();
      if (wait > 0) {
        setTimeout(step, wait);
        return;
      }
      arrive(call);
    }
  };
  step();
}

function scheduleFaults(faults: readonly ScheduledFault[], providers: readonly VirtualProvider[]): void {
  for (const { on, fault, fromS, toS } of faults) {
    const provider = providers.find(({ name }) => name === on);
    if (!provider) throw new RangeError(`fault on '${on}': no such endpoint`);
    setTimeout(() => provider.addFault(fault, (toS - fromS) * 1000), fromS * 1000);
  }
}

function digestOf(ends: readonly (CallOutcome | undefined)[], providers: readonly VirtualProvider[]): string {
  const hash = createHash('sha256');
  for (const end of ends) hash.update(`${end?.ok} ${end?.reason ?? ''} ${end?.totalMs.toFixed(3)}\n`);
  for (const { name, attempts, ends: counts, usd } of providers) {
    hash.update(`${name} ${attempts} ${JSON.stringify(counts)} ${usd.toFixed(9)}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}
