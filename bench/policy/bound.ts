import type { RunPlan } from '../../lib/cli/simulate/engine/run';
import type { ScheduledFault } from '../../lib/cli/simulate/engine/virtual-provider';
import type { WorkCall } from '../../lib/cli/simulate/engine/workload';
import type { FleetEndpoint } from './fleets';
import { allows } from './rules/rule-endpoint';
import { fleetOf, planOf, type ScenarioName } from './scenarios';

/** An upper bound for any policy, in percent of the calls. */
export interface Bound {
  readonly goodput: number;
  readonly weighted: number;
  readonly priority5: number;
}

const GRID_S = 5;

/** The bounds of each scenario, one per seed. */
export function boundsOf(options: {
  readonly scenarios: readonly ScenarioName[];
  readonly seeds: readonly number[];
  readonly quick: boolean;
}): Map<ScenarioName, Bound[]> {
  return new Map(
    options.scenarios.map((scenario) => [
      scenario,
      options.seeds.map((seed) => boundOf(planOf(scenario, seed, options.quick), fleetOf(scenario))),
    ]),
  );
}

/**
 * A loose upper bound for a policy that knows the future. A call is lost if no allowed endpoint could answer it in time
 * at typical latency without other load, at any starting time. Of the remaining calls, those that arrive and are due
 * within one interval share the tokens that the limits admit in it, each at the smallest token count of any allowed
 * endpoint. The interval that loses most is a lower bound for the loss.
 */
export function boundOf(plan: RunPlan, fleet: readonly FleetEndpoint[]): Bound {
  const possible = plan.calls.flatMap((call) => {
    const tokens = minTokensNeeded(call, fleet, plan.faults);
    return tokens === undefined ? [] : [{ call, tokens }];
  });
  const share = (valueOf: (call: WorkCall) => number): number => {
    const all = total(plan.calls, valueOf);
    const kept = total(
      possible.map(({ call }) => call),
      valueOf,
    );
    return all === 0 ? 100 : (100 * (kept - minLoss(possible, fleet, plan.faults, valueOf))) / all;
  };
  return {
    goodput: share(() => 1),
    weighted: share(({ priority }) => 2 ** (priority - 1)),
    priority5: share(({ priority }) => (priority === 5 ? 1 : 0)),
  };
}

interface FeasibleCall {
  readonly call: WorkCall;
  readonly tokens: number;
}

/** The smallest number of tokens counted by an endpoint that could answer in time; undefined if none could. */
function minTokensNeeded(
  call: WorkCall,
  fleet: readonly FleetEndpoint[],
  faults: readonly ScheduledFault[],
): number | undefined {
  let least: number | undefined;
  for (const endpoint of fleet) {
    if (!allows(endpoint, call) || !couldAnswer(endpoint, call, faults)) continue;
    const reserved = endpoint.tokensCharged === 'reserved';
    const tokens = call.promptTokens + (reserved ? call.maxTokens : call.outputTokens);
    least = Math.min(least ?? Infinity, tokens);
  }
  return least;
}

function couldAnswer(endpoint: FleetEndpoint, call: WorkCall, faults: readonly ScheduledFault[]): boolean {
  const unloadedMs =
    endpoint.ttftMs +
    call.promptTokens * endpoint.msPerPromptToken +
    call.outputTokens * endpoint.msPerOutputToken;
  const due = call.atMs + call.deadlineMs;
  const own = faults.filter(({ on }) => on === endpoint.name);
  // The best starting time is the arrival or the end of a fault.
  const starts = [call.atMs, ...own.map(({ toS }) => toS * 1000)].filter((at) => at >= call.atMs && at < due);
  return starts.some((at) => at + unloadedMs * factorAt(own, at) <= due);
}

/** Factor by which faults slow down a call that starts at `at`; Infinity during an outage. */
function factorAt(faults: readonly ScheduledFault[], at: number): number {
  let factor = 1;
  for (const { fault, fromS, toS } of faults) {
    if (at < fromS * 1000 || at >= toS * 1000) continue;
    if (fault.kind === 'outage') return Infinity;
    if (fault.kind === 'brownout') factor *= fault.factor ?? 10;
  }
  return factor;
}

function minLoss(
  possible: readonly FeasibleCall[],
  fleet: readonly FleetEndpoint[],
  faults: readonly ScheduledFault[],
  valueOf: (call: WorkCall) => number,
): number {
  const byValue = [...possible]
    .filter(({ call }) => valueOf(call) > 0)
    .sort((a, b) => valueOf(b.call) / b.tokens - valueOf(a.call) / a.tokens);
  const last = Math.max(0, ...possible.map(({ call }) => call.atMs + call.deadlineMs)) / 1000;
  let most = 0;
  for (let from = 0; from < last; from += GRID_S) {
    for (let to = from + GRID_S; to <= last + GRID_S; to += GRID_S) {
      most = Math.max(
        most,
        lossWithin(byValue, from * 1000, to * 1000, admittedWithin(fleet, faults, from, to), valueOf),
      );
    }
  }
  return most;
}

/** The value that does not fit (fractional knapsack: highest value per token first). */
function lossWithin(
  byValue: readonly FeasibleCall[],
  from: number,
  to: number,
  admitted: number,
  valueOf: (call: WorkCall) => number,
): number {
  let left = admitted;
  let lost = 0;
  for (const { call, tokens } of byValue) {
    if (call.atMs < from || call.atMs + call.deadlineMs > to) continue;
    const fits = Math.min(1, left / tokens);
    left -= fits * tokens;
    lost += (1 - fits) * valueOf(call);
  }
  return lost;
}

function admittedWithin(
  fleet: readonly FleetEndpoint[],
  faults: readonly ScheduledFault[],
  from: number,
  to: number,
): number {
  let tokens = 0;
  for (const endpoint of fleet) {
    const outages = faults.filter(({ on, fault }) => on === endpoint.name && fault.kind === 'outage');
    const out = outages.reduce(
      (seconds, { fromS, toS }) => seconds + Math.max(0, Math.min(to, toS) - Math.max(from, fromS)),
      0,
    );
    tokens += (endpoint.tpm / 60) * (endpoint.bucketSeconds + to - from - out);
  }
  return tokens;
}

function total(calls: readonly WorkCall[], valueOf: (call: WorkCall) => number): number {
  return calls.reduce((sum, call) => sum + valueOf(call), 0);
}
