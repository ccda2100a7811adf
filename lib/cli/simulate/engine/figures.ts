import type { AttemptOutcome, VirtualProvider } from './virtual-provider';
import type { Priority, WorkCall } from './workload';

/** How one call ended for its caller. */
export interface CallOutcome {
  readonly ok: boolean;
  /** The policy's error code or message; undefined on success. */
  readonly reason?: string | undefined;
  /** The endpoint of the last attempt; undefined if the call was never sent. */
  readonly endpoint?: string | undefined;
  readonly firstTokenMs?: number | undefined;
  /** Milliseconds from arrival to the end of the answer or the failure. */
  readonly totalMs: number;
}

export interface EndpointFigures {
  readonly name: string;
  readonly attempts: number;
  readonly ends: Readonly<Record<AttemptOutcome, number>>;
  readonly usd: number;
}

/** The metrics of a run. Shares are in percent, times in milliseconds. Defined in docs/performance.md. */
export interface Figures {
  readonly calls: number;
  readonly good: number;
  readonly goodput: number;
  /** Goodput weighted 16, 8, 4, 2, 1 by priority 5 to 1. */
  readonly weighted: number;
  readonly byPriority: Readonly<Record<Priority, number>>;
  /** Attempts per 1,000 calls. */
  readonly attempts: number;
  /** Attempts that did not lead to a good answer, per 1,000 calls. */
  readonly wasted: number;
  /** Attempts that a simulated provider refused with a 429 because they exceeded its limit, per 1,000 calls. */
  readonly violations: number;
  /** USD per 1,000 good answers. */
  readonly usd: number;
  readonly usdTotal: number;
  /** Time from arrival to the end of the answer, over good answers. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly firstTokenP50Ms: number;
  readonly firstTokenP95Ms: number;
  /** Failed calls by reason. */
  readonly failures: Readonly<Record<string, number>>;
  /** Failed calls by reason; each array counts priorities 1 to 5. */
  readonly failuresByPriority: Readonly<Record<string, readonly number[]>>;
  /** Failed calls by the endpoint of their last attempt; '' for calls that were never sent. */
  readonly lostAt: Readonly<Record<string, number>>;
  readonly endpoints: readonly EndpointFigures[];
  /** Attempts that did not lead to a good answer, by outcome. */
  readonly wastedBy: Readonly<Partial<Record<AttemptOutcome, number>>>;
}

const PRIORITIES: readonly Priority[] = [1, 2, 3, 4, 5];

export function figuresOf(
  calls: readonly WorkCall[],
  ends: readonly (CallOutcome | undefined)[],
  providers: readonly VirtualProvider[],
): Figures {
  const good = calls.filter(({ index }) => ends[index]?.ok === true);
  const weight = (list: readonly WorkCall[]): number =>
    list.reduce((sum, { priority }) => sum + 2 ** (priority - 1), 0);
  const share = (part: number, whole: number): number => (whole === 0 ? 100 : (100 * part) / whole);
  const of = (list: readonly WorkCall[], priority: Priority): number =>
    list.filter((call) => call.priority === priority).length;
  const attempts = sum(providers.map((provider) => provider.attempts));
  const usdTotal = sum(providers.map(({ usd }) => usd));
  const perCall = (count: number): number => (calls.length === 0 ? 0 : (1000 * count) / calls.length);
  const totals = sorted(good.map(({ index }) => ends[index]?.totalMs));
  const firsts = sorted(good.map(({ index }) => ends[index]?.firstTokenMs));
  return {
    calls: calls.length,
    good: good.length,
    goodput: share(good.length, calls.length),
    weighted: share(weight(good), weight(calls)),
    byPriority: Object.fromEntries(
      PRIORITIES.map((priority) => [priority, share(of(good, priority), of(calls, priority))]),
    ) as Record<Priority, number>,
    attempts: perCall(attempts),
    wasted: perCall(attempts - good.length),
    violations: perCall(sum(providers.map((provider) => provider.ends.over_limit))),
    usd: good.length === 0 ? 0 : (1000 * usdTotal) / good.length,
    usdTotal,
    p50Ms: percentile(totals, 0.5),
    p95Ms: percentile(totals, 0.95),
    p99Ms: percentile(totals, 0.99),
    firstTokenP50Ms: percentile(firsts, 0.5),
    firstTokenP95Ms: percentile(firsts, 0.95),
    ...failuresOf(calls, ends),
    endpoints: providers.map(({ name, attempts: sent, ends: ended, usd }) => ({
      name,
      attempts: sent,
      ends: { ...ended },
      usd,
    })),
    wastedBy: wastedBy(providers, good.length),
  };
}

function failuresOf(calls: readonly WorkCall[], ends: readonly (CallOutcome | undefined)[]) {
  const failures: Record<string, number> = {};
  const failuresByPriority: Record<string, number[]> = {};
  const lostAt: Record<string, number> = {};
  for (const { index, priority } of calls) {
    const end = ends[index];
    if (end?.ok) continue;
    const reason = end?.reason ?? 'unfinished';
    failures[reason] = (failures[reason] ?? 0) + 1;
    const row = (failuresByPriority[reason] ??= [0, 0, 0, 0, 0]);
    row[priority - 1] = (row[priority - 1] ?? 0) + 1;
    const at = end?.endpoint ?? '';
    lostAt[at] = (lostAt[at] ?? 0) + 1;
  }
  return { failures, failuresByPriority, lostAt };
}

function wastedBy(
  providers: readonly VirtualProvider[],
  good: number,
): Partial<Record<AttemptOutcome, number>> {
  const by: Partial<Record<AttemptOutcome, number>> = {};
  for (const { ends } of providers) {
    for (const [end, count] of Object.entries(ends) as [AttemptOutcome, number][]) {
      if (count > 0) by[end] = (by[end] ?? 0) + count;
    }
  }
  by.answered = Math.max(0, (by.answered ?? 0) - good);
  return by;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function sorted(values: readonly (number | undefined)[]): number[] {
  return values.filter((value) => value !== undefined).sort((a, b) => a - b);
}

/** Returns the nearest-rank percentile of sorted values; NaN for an empty array. */
export function percentile(ascending: readonly number[], part: number): number {
  const rank = Math.max(0, Math.ceil(part * ascending.length) - 1);
  return ascending[rank] ?? Number.NaN;
}
