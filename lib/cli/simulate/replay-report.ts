import type { Figures } from './engine/figures';
import type { SimulateFlags } from './flags';
import type { QuotaShortage } from './quota-watch';
import type { LoggedFigures, Replay } from './replay';
import { endpointTable, noLimits, priorities, rateLimited } from './report';
import type { SimulationResult } from './simulation';
import { percent, round, seconds } from './units';

/** The output of --replay with --json. Shares are in percent, times in milliseconds, money in USD. */
export interface ReplayReport {
  readonly flags: SimulateFlags;
  /** When the first call of the log began, as an ISO date. */
  readonly startedAt: string;
  readonly seconds: number;
  /** Number of calls in the log that can't be simulated, because they are not chats. */
  readonly leftOut: number;
  readonly logged: LoggedFigures;
  readonly figures: Figures;
  /** Figures of the same calls with all endpoints of the configuration; null without --without. */
  readonly withAll: Figures | null;
  readonly digest: string;
  readonly exhaustedQuotas: readonly QuotaShortage[];
  /** Endpoints without rpm and tpm, which never make a call wait for quota. */
  readonly unlimited: readonly string[];
}

export function createReplayReport(
  flags: SimulateFlags,
  { startAtMs, seconds: duration, leftOut, logged }: Omit<Replay, 'calls'>,
  run: SimulationResult,
  all: SimulationResult | undefined,
): ReplayReport {
  return {
    flags,
    startedAt: new Date(startAtMs).toISOString(),
    seconds: duration,
    leftOut,
    logged,
    figures: run.figures,
    withAll: all?.figures ?? null,
    digest: run.digest,
    exhaustedQuotas: run.quotas,
    unlimited: run.unlimited,
  };
}

/** Formats the report as text: a column for the logged figures and one for each run. */
export function formatReplayReport(report: ReplayReport): string {
  const { figures, logged, withAll, flags, leftOut, exhaustedQuotas, unlimited } = report;
  const runs = withAll ? [withAll, figures] : [figures];
  const without = `without ${flags.without.length}`;
  const names = ['logged', ...(withAll ? ['simulated', without] : ['simulated'])];
  const row = (name: string, cells: readonly string[]): string =>
    `${name.padEnd(12)}${cells.map((cell) => cell.padStart(12)).join('')}`;
  return `${[
    `${logged.calls} calls in ${round(report.seconds)} s, from ${report.startedAt}${withAll ? `; without ${flags.without.join(', ')}` : ''}`,
    ...(leftOut > 0 ? [`${leftOut} other calls of the log are left out: only chats are simulated`] : []),
    '',
    row('', names),
    row('answered', [percent(logged.answered), ...runs.map(({ goodput }) => percent(goodput))]),
    row('cost', [dollars(logged.usdTotal), ...runs.map(({ usdTotal }) => dollars(usdTotal))]),
    row('p50', [seconds(logged.p50Ms), ...runs.map(({ p50Ms }) => seconds(p50Ms))]),
    row('p95', [seconds(logged.p95Ms), ...runs.map(({ p95Ms }) => seconds(p95Ms))]),
    row('429s', ['', ...runs.map((run) => String(rateLimited(run)))]),
    '',
    `  priority  ${priorities(figures)}`,
    failures('logged', logged.failures),
    failures(withAll ? without : 'simulated', figures.failures),
    '',
    ...endpointTable(figures),
    '',
    ...noLimits(unlimited),
    exhausted(exhaustedQuotas),
  ].join('\n')}\n`;
}

function failures(name: string, counts: Readonly<Record<string, number>>): string {
  const reasons = Object.entries(counts).sort(([, a], [, b]) => b - a);
  const list = reasons.map(([reason, count]) => `${count} ${reason}`).join(', ');
  return `  failed    ${name}: ${list === '' ? 'none' : list}`;
}

function exhausted(quotas: readonly QuotaShortage[]): string {
  const [first] = quotas;
  if (!first) return 'No quota was exhausted.';
  const { quota, per, endpoint, firstAtS, share } = first;
  return `Exhausted first: ${quota} per ${per} of ${endpoint}, at second ${round(firstAtS)} and ${percent(100 * share)} of the time.`;
}

/** Formats US dollars; small amounts get four decimals, because cents would not distinguish them. */
function dollars(usd: number): string {
  return `$${usd.toFixed(usd > 0 && usd < 0.1 ? 4 : 2)}`;
}
