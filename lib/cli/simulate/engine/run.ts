import { createHash } from 'node:crypto';
import { seededRandom } from '../../../simulator/physics';
import { type CallOutcome, type Figures, figuresOf } from './figures';
import { GroupLimit, type GroupLimits } from './group-limit';
import { type ProviderOptions, type ScheduledFault, VirtualProvider } from './virtual-provider';
import type { VirtualTime } from './virtual-time';
import type { WorkCall } from './workload';

/** Everything that decides a run but the policy. */
export interface RunPlan {
  readonly seed: number;
  readonly providers: readonly ProviderOptions[];
  /** The limits of the providers' groups, by name. */
  readonly groups?: Readonly<Record<string, GroupLimits>>;
  readonly faults: readonly ScheduledFault[];
  readonly calls: readonly WorkCall[];
}

/** What serves the calls: the balancer, or the rules of another. */
export interface Policy {
  /** Settles by the call's deadline or soon after; a rejection is a failure with the error's message. */
  serve(call: WorkCall): Promise<CallOutcome>;
  close?(): Promise<void> | void;
}

export interface RunResult {
  readonly figures: Figures;
  /** Of every call's end and every provider's count: the same for the same plan and policy. */
  readonly digest: string;
  /** Milliseconds of real time. */
  readonly tookMs: number;
}

/** After the last deadline, for what is still on its way to say so. */
const SETTLE_MS = 1000;

/** Lets a policy serve the calls of a plan, in virtual time. One run a process: the clock and Math.random are taken over. */
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
  const until = Math.max(0, ...plan.calls.map(({ atMs, deadlineMs }) => atMs + deadlineMs));
  await time.advance(until + SETTLE_MS);
  const closed = policy.close?.();
  // What waits for a timer while closing waits for virtual time.
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
  // The measure's own judgement: an answer after the deadline is none, whatever the policy says.
  const late = end.ok && performance.now() - since > call.deadlineMs;
  ends[call.index] = late ? { ...end, ok: false, reason: 'late' } : end;
}

/** One timer at a time: thousands in the heap would slow down every other timer. */
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
    if (!provider) throw new RangeError(`a fault on '${on}', which is no endpoint`);
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
