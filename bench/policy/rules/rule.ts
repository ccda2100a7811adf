import type { CallOutcome } from '../../../lib/cli/simulate/engine/figures';
import type { Policy } from '../../../lib/cli/simulate/engine/run';
import type { VirtualProvider } from '../../../lib/cli/simulate/engine/virtual-provider';
import type { WorkCall } from '../../../lib/cli/simulate/engine/workload';
import type { FleetEndpoint } from '../scenarios';
import { type AttemptOutcome, attempt } from './attempt';
import { allows, type RuleEndpoint, ruleEndpointsOf } from './rule-endpoint';

/**
 * The published rules of a balancer, written anew: how it picks, what it does after a failure, what it keeps. They run
 * on the same providers and calls as the package, and filter endpoints by the same needs.
 */
export interface Rule<State> {
  readonly name: string;
  /** What is kept of an endpoint. */
  state(endpoint: FleetEndpoint): State;
  /** Attempts of one call, the first included. */
  readonly maxAttempts: number;
  /** Milliseconds until an attempt is given up; the call's deadline always is a limit. */
  readonly timeoutMs: number;
  /** The next endpoint; undefined where the rule finds none. */
  pick(
    allowed: readonly RuleEndpoint<State>[],
    tried: readonly RuleEndpoint<State>[],
    call: WorkCall,
  ): RuleEndpoint<State> | undefined;
  onSent?(target: RuleEndpoint<State>, call: WorkCall): void;
  onFirstToken?(target: RuleEndpoint<State>, ms: number, call: WorkCall): void;
  onEnd?(target: RuleEndpoint<State>, outcome: AttemptOutcome, call: WorkCall): void;
  /** Whether such a failure is tried again. Default: always. */
  retries?(outcome: AttemptOutcome): boolean;
  /** Milliseconds before the next attempt. Default: none. */
  backoffMs?(attempts: number, outcome: AttemptOutcome | undefined): number;
}

export function rulePolicy<State>(rule: Rule<State>, providers: readonly VirtualProvider[]): Policy {
  const targets = ruleEndpointsOf(providers, (endpoint) => rule.state(endpoint));
  return { serve: (call) => serve(rule, targets, call) };
}

async function serve<State>(
  rule: Rule<State>,
  targets: readonly RuleEndpoint<State>[],
  call: WorkCall,
): Promise<CallOutcome> {
  const since = performance.now();
  const elapsed = (): number => performance.now() - since;
  const allowed = targets.filter(({ endpoint }) => allows(endpoint, call));
  const tried: RuleEndpoint<State>[] = [];
  let last: AttemptOutcome | undefined;
  let reason = 'no endpoint';
  for (let attempts = 0; attempts < rule.maxAttempts; attempts++) {
    if (attempts > 0)
      await pause(Math.min(rule.backoffMs?.(attempts, last) ?? 0, call.deadlineMs - elapsed()));
    const left = call.deadlineMs - elapsed();
    if (left <= 0) break;
    const target = allowed.length === 0 ? undefined : rule.pick(allowed, tried, call);
    if (!target) {
      last = undefined;
      continue;
    }
    tried.push(target);
    const startedAt = elapsed();
    last = await send(rule, target, call, Math.min(left, rule.timeoutMs));
    if (last.kind === 'answered')
      return { ok: true, firstTokenMs: startedAt + last.firstTokenMs, totalMs: elapsed() };
    reason = last.kind === 'error' ? `error ${last.status}` : 'timeout';
    if (rule.retries?.(last) === false) break;
  }
  if (elapsed() >= call.deadlineMs) reason = 'late';
  return { ok: false, reason, endpoint: tried.at(-1)?.endpoint.name, totalMs: elapsed() };
}

async function send<State>(
  rule: Rule<State>,
  target: RuleEndpoint<State>,
  call: WorkCall,
  timeoutMs: number,
): Promise<AttemptOutcome> {
  target.inFlight++;
  rule.onSent?.(target, call);
  const outcome = await attempt(target.provider, call, {
    timeoutMs,
    onFirstToken: (ms) => rule.onFirstToken?.(target, ms, call),
  });
  target.inFlight--;
  rule.onEnd?.(target, outcome, call);
  return outcome;
}

function pause(ms: number): Promise<void> | undefined {
  return ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : undefined;
}

/** Draws by weight; undefined of nothing. */
export function drawByWeight<T>(list: readonly T[], weightOf: (item: T) => number): T | undefined {
  let left = Math.random() * list.reduce((total, item) => total + weightOf(item), 0);
  for (const item of list) {
    left -= weightOf(item);
    if (left < 0) return item;
  }
  return list[list.length - 1];
}

export function drawAny<T>(list: readonly T[]): T | undefined {
  return list[Math.floor(Math.random() * list.length)];
}

/** The one with the least figure, the first of equals. */
export function least<T>(list: readonly T[], figureOf: (item: T) => number): T | undefined {
  let best: T | undefined;
  let bestFigure = Infinity;
  for (const item of list) {
    const figure = figureOf(item);
    if (best === undefined || figure < bestFigure) {
      best = item;
      bestFigure = figure;
    }
  }
  return best;
}
