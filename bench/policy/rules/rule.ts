import type { CallOutcome } from '../../../lib/cli/simulate/engine/figures';
import type { Policy } from '../../../lib/cli/simulate/engine/run';
import type { VirtualProvider } from '../../../lib/cli/simulate/engine/virtual-provider';
import type { WorkCall } from '../../../lib/cli/simulate/engine/workload';
import type { FleetEndpoint } from '../fleets';
import { type AttemptOutcome, attempt } from './attempt';
import { allows, type RuleEndpoint, ruleEndpointsOf } from './rule-endpoint';

/**
 * The published rules of another balancer, reimplemented: how it picks an endpoint, what it does after a failure, what
 * state it keeps. Runs on the same providers and calls as the package, with the same endpoint filter.
 */
export interface Rule<State> {
  readonly name: string;
  /** The initial state of an endpoint. */
  state(endpoint: FleetEndpoint): State;
  /** Maximum number of attempts per call, including the first. */
  readonly maxAttempts: number;
  /** Timeout of an attempt in milliseconds; the call's deadline applies too. */
  readonly timeoutMs: number;
  /** The next endpoint; undefined if the rule finds none. */
  pick(
    allowed: readonly RuleEndpoint<State>[],
    tried: readonly RuleEndpoint<State>[],
    call: WorkCall,
  ): RuleEndpoint<State> | undefined;
  onSent?(endpoint: RuleEndpoint<State>, call: WorkCall): void;
  onFirstToken?(endpoint: RuleEndpoint<State>, ms: number, call: WorkCall): void;
  onEnd?(endpoint: RuleEndpoint<State>, outcome: AttemptOutcome, call: WorkCall): void;
  /** Whether a failure is retried. Default: always. */
  retries?(outcome: AttemptOutcome): boolean;
  /** Milliseconds before the next attempt. Default: none. */
  backoffMs?(attempts: number, outcome: AttemptOutcome | undefined): number;
}

export function rulePolicy<State>(
  rule: Rule<State>,
  fleet: readonly FleetEndpoint[],
  providers: readonly VirtualProvider[],
): Policy {
  const endpoints = ruleEndpointsOf(fleet, providers, (endpoint) => rule.state(endpoint));
  return { serve: (call) => serve(rule, endpoints, call) };
}

async function serve<State>(
  rule: Rule<State>,
  endpoints: readonly RuleEndpoint<State>[],
  call: WorkCall,
): Promise<CallOutcome> {
  const since = performance.now();
  const elapsed = (): number => performance.now() - since;
  const allowed = endpoints.filter(({ endpoint }) => allows(endpoint, call));
  const tried: RuleEndpoint<State>[] = [];
  let last: AttemptOutcome | undefined;
  let reason = 'no endpoint';
  for (let attempts = 0; attempts < rule.maxAttempts; attempts++) {
    if (attempts > 0)
      await pause(Math.min(rule.backoffMs?.(attempts, last) ?? 0, call.deadlineMs - elapsed()));
    const left = call.deadlineMs - elapsed();
    if (left <= 0) break;
    const next = allowed.length === 0 ? undefined : rule.pick(allowed, tried, call);
    if (!next) {
      last = undefined;
      continue;
    }
    tried.push(next);
    const startedAt = elapsed();
    last = await send(rule, next, call, Math.min(left, rule.timeoutMs));
    // A malformed answer with status 200 reaches the caller.
    if (last.kind === 'bad_answer') {
      return { ok: false, reason: 'bad answer', endpoint: next.endpoint.name, totalMs: elapsed() };
    }
    if (last.kind === 'answered')
      return { ok: true, firstTokenMs: startedAt + last.firstTokenMs, totalMs: elapsed() };
    reason = last.kind === 'error' ? `error ${last.status}` : 'timeout';
    // A 400 is taken for the caller's fault.
    if ((last.kind === 'error' && last.status === 400) || rule.retries?.(last) === false) break;
  }
  if (elapsed() >= call.deadlineMs) reason = 'late';
  return { ok: false, reason, endpoint: tried.at(-1)?.endpoint.name, totalMs: elapsed() };
}

async function send<State>(
  rule: Rule<State>,
  to: RuleEndpoint<State>,
  call: WorkCall,
  timeoutMs: number,
): Promise<AttemptOutcome> {
  to.inFlight++;
  rule.onSent?.(to, call);
  const outcome = await attempt(to.provider, call, {
    timeoutMs,
    onFirstToken: (ms) => rule.onFirstToken?.(to, ms, call),
  });
  to.inFlight--;
  rule.onEnd?.(to, outcome, call);
  return outcome;
}

function pause(ms: number): Promise<void> | undefined {
  return ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : undefined;
}

/** A random item by weight; undefined for an empty list. */
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

/** The item with the lowest value; the first of equal ones. */
export function least<T>(list: readonly T[], valueOf: (item: T) => number): T | undefined {
  let best: T | undefined;
  let bestValue = Infinity;
  for (const item of list) {
    const value = valueOf(item);
    if (best === undefined || value < bestValue) {
      best = item;
      bestValue = value;
    }
  }
  return best;
}
