import type { Balancer } from '../balancer/balancer';
import type { BalancerStats, EndpointStats } from '../balancer/stats';
import type { BudgetStats } from '../budget/budget';
import { BUCKET_MS, BUCKETS, type HistorySlice } from './call-history';
import type { EndpointRates, LastFailure } from './endpoint-activity';
import type { Monitor } from './monitor';
import type { CallView } from './recent-calls';

/** Number of buckets of the history over which totals are computed: one minute. */
const TOTAL_BUCKETS = 12;

/** Maximum number of budgets that the page shows. */
const MAX_BUDGETS = 20;

/** One endpoint on the page. */
export interface EndpointRow extends Omit<EndpointStats, 'aliases' | 'reason'>, EndpointRates {
  /** The endpoint's share of all attempts in the last 30 seconds, 0 to 1. */
  readonly share: number;
  /** Why the endpoint takes no calls; absent while it takes calls. */
  readonly reason?: string;
}

/** The figures of the whole balancer. */
export interface Totals extends Pick<BalancerStats, 'total' | 'healthy' | 'calls' | 'queue' | 'cluster'> {
  /** The server's clock, as a Unix time in milliseconds. */
  readonly at: number;
  /** Attempts in flight at all endpoints. */
  readonly inFlight: number;
  /** Calls that ended in the last minute. */
  readonly callsPerMinute: number;
  /** Calls that failed or were shed in the last minute. */
  readonly failedPerMinute: number;
  /** US dollars spent in the last minute. */
  readonly usdPerMinute: number;
  /** 95th percentile of the durations of calls answered in the last minute; null without any. */
  readonly p95Ms: number | null;
  readonly listenerFailures: number;
  /** The budgets with the largest spent shares, at most 20; absent without budgets. */
  readonly budgets?: readonly BudgetStats[];
}

/** The state that `/stats.json` returns and that a live view begins with. */
export interface Status {
  readonly totals: Totals;
  readonly endpoints: readonly EndpointRow[];
  /** The last 15 minutes. */
  readonly history: HistorySlice & { readonly bucketMs: number };
  /** The latest calls, oldest first. */
  readonly calls: readonly CallView[];
}

/** Returns the current totals and endpoints. */
export function currentState(balancer: Balancer, monitor: Monitor): Pick<Status, 'totals' | 'endpoints'> {
  const now = performance.now();
  const stats = balancer.stats();
  const rates = stats.endpoints.map(({ name }) => monitor.activity.rates(name, now));
  const attempts = rates.reduce((sum, { attemptsPerMinute }) => sum + attemptsPerMinute, 0);
  const endpoints = stats.endpoints.map((endpoint, index) =>
    rowOf(endpoint, rates[index] as EndpointRates, attempts, monitor.activity.lastFailure(endpoint.name)),
  );
  const { total, healthy, calls, queue, cluster, budgets, listenerFailures } = stats;
  const minute = monitor.history.slice(TOTAL_BUCKETS, now);
  const failedPerMinute = sumOf(minute.failed) + sumOf(minute.shed);
  return {
    totals: {
      at: Date.now(),
      total,
      healthy,
      calls,
      queue,
      ...(cluster ? { cluster } : {}),
      inFlight: sumOf(endpoints.map(({ inFlight }) => inFlight)),
      callsPerMinute: sumOf(minute.ok) + failedPerMinute,
      failedPerMinute,
      usdPerMinute: rounded(sumOf(minute.usd), 6),
      p95Ms: monitor.history.p95Ms(TOTAL_BUCKETS, now),
      listenerFailures,
      ...(budgets.length === 0 ? {} : { budgets: mostSpent(budgets) }),
    },
    endpoints,
  };
}

/** Returns the last buckets of the history, up to the current one. */
export function recentHistory(monitor: Monitor, buckets = BUCKETS): Status['history'] {
  return { bucketMs: BUCKET_MS, ...monitor.history.slice(buckets, performance.now()) };
}

function rowOf(
  // The reason in stats() is dropped, because it may contain the message of any failure, which may quote a prompt.
  { aliases: _, reason: __, cooldownUntil, ...endpoint }: EndpointStats,
  rates: EndpointRates,
  attempts: number,
  lastFailure: LastFailure | undefined,
): EndpointRow {
  const reason = reasonOf(endpoint, lastFailure);
  return {
    ...endpoint,
    attemptsPerMinute: rates.attemptsPerMinute,
    failuresPerMinute: rates.failuresPerMinute,
    usdPerMinute: rounded(rates.usdPerMinute, 6),
    share: attempts === 0 ? 0 : rounded(rates.attemptsPerMinute / attempts, 4),
    // Rounded to seconds: it is computed from two clocks, and their jitter must not cause the row to be sent again.
    ...(cooldownUntil === undefined ? {} : { cooldownUntil: Math.round(cooldownUntil / 1000) * 1000 }),
    ...(reason === undefined ? {} : { reason }),
  };
}

function reasonOf(
  { state, weight, failures }: Pick<EndpointStats, 'state' | 'weight' | 'failures'>,
  failure: LastFailure | undefined,
): string | undefined {
  switch (state) {
    case 'disabled':
      return 'Disabled: it takes no calls until it is enabled.';
    case 'cooldown':
      return failure ? describe(failure) : 'Its quota group is cooling down.';
    case 'open':
    case 'half-open': {
      const count = failures > 0 ? `${failures} failed in a row` : 'Too many failures';
      return failure ? `${count}; last: ${describe(failure)}` : count;
    }
    case 'closed':
      return weight === 0 ? 'Its weight is 0: it takes no calls.' : undefined;
  }
}

function describe({ class: failureClass, status, code, message }: LastFailure): string {
  const details = [status === undefined ? undefined : `HTTP ${status}`, code].filter(
    (detail) => detail !== undefined,
  );
  const head = details.length === 0 ? failureClass : `${failureClass} (${details.join(', ')})`;
  return message ? `${head}: ${message}` : head;
}

function mostSpent(budgets: readonly BudgetStats[]): BudgetStats[] {
  const share = ({ spentUsd, limitUsd }: BudgetStats): number => spentUsd / limitUsd;
  return [...budgets]
    .sort((a, b) => share(b) - share(a))
    .slice(0, MAX_BUDGETS)
    .map((budget) => ({
      ...budget,
      spentUsd: rounded(budget.spentUsd, 6),
      reservedUsd: rounded(budget.reservedUsd, 6),
    }));
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function rounded(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}
