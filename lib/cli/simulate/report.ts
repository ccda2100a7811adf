import type { Figures } from './engine/figures';
import type { SimulateFlags } from './flags';
import type { QuotaShortage } from './quota-watch';
import type { SimulationResult } from './simulation';
import { formatTarget, type TargetReport } from './target';
import { percent, round, seconds } from './units';
import { shapeOf } from './workload-from-flags';

/** The output of --json. Shares are in percent, times in milliseconds, money in USD. */
export interface SimulationReport {
  readonly flags: SimulateFlags;
  readonly figures: Figures;
  /** The models that 'auto' chooses from. */
  readonly models: readonly string[];
  /** Endpoints without rpm and tpm, which never make a call wait for quota. */
  readonly unlimited: readonly string[];
  /** Number of attempts that got a 429. */
  readonly rateLimited: number;
  readonly digest: string;
  /** The quota that was exhausted first; null if none was. */
  readonly firstExhausted: QuotaShortage | null;
  readonly exhaustedQuotas: readonly QuotaShortage[];
  /** Figures of the same run with one more key for the endpoint of `firstExhausted`; null if no quota was exhausted. */
  readonly oneMoreKey: { readonly endpoint: string; readonly figures: Figures } | null;
  /** The result of --target; null without it. */
  readonly target: TargetReport | null;
}

export function createReport(
  flags: SimulateFlags,
  run: SimulationResult,
  more: SimulationResult | undefined,
  target?: TargetReport,
): SimulationReport {
  const [first] = run.quotas;
  return {
    flags,
    figures: run.figures,
    models: run.models,
    unlimited: run.unlimited,
    rateLimited: rateLimited(run.figures),
    digest: run.digest,
    firstExhausted: first ?? null,
    exhaustedQuotas: run.quotas,
    oneMoreKey: first && more ? { endpoint: first.endpoint, figures: more.figures } : null,
    target: target ?? null,
  };
}

/** Formats the report as text. */
export function formatReport(report: SimulationReport): string {
  const { figures, flags } = report;
  return `${[
    asked(report),
    `${figures.calls} calls in ${flags.seconds} s, ${rates(flags)}`,
    '',
    `goodput      ${percent(figures.goodput)} completely answered within their deadline`,
    `  priority   ${priorities(figures)}`,
    `latency      p50 ${seconds(figures.p50Ms)}, p95 ${seconds(figures.p95Ms)}, p99 ${seconds(figures.p99Ms)}; first token p50 ${seconds(figures.firstTokenP50Ms)}, p95 ${seconds(figures.firstTokenP95Ms)}`,
    `cost         $${figures.usdTotal.toFixed(2)}, $${figures.usd.toFixed(2)} per 1,000 good answers`,
    `429s         ${report.rateLimited} of ${attempts(figures)} attempts`,
    ...failed(figures),
    '',
    ...endpointTable(figures),
    '',
    ...noLimits(report.unlimited),
    ...quotas(report),
    ...(report.target ? formatTarget(report.target) : []),
  ].join('\n')}\n`;
}

/** Describes the model that the calls request, since calls that name a model reach fewer endpoints than 'auto'. */
function asked({ flags: { model = 'auto' }, models }: SimulationReport): string {
  if (model !== 'auto') return `model ${model}`;
  const names = models.join(', ');
  return models.length === 1
    ? `model auto: ${names}`
    : `model auto: any of ${names}; calls of your clients name one: --model ${models.slice(0, 1).join('')}`;
}

export function noLimits(unlimited: readonly string[]): string[] {
  return unlimited.length === 0 ? [] : [`no limit on: ${unlimited.join(', ')} (neither rpm nor tpm)`];
}

function rates({ rps, spike, seconds: duration }: SimulateFlags): string {
  if (spike === 1) return `${rps} per second`;
  const { baseRps, riseAtS, holdS } = shapeOf({ rps, spike, seconds: duration });
  return `${round(baseRps)} per second; from second ${round(riseAtS)}, ${rps} per second (${spike} times as many) for ${round(holdS)} s`;
}

export function priorities({ byPriority }: Figures): string {
  return ([5, 4, 3, 2, 1] as const)
    .map((priority) => `${priority}: ${percent(byPriority[priority])}`)
    .join('  ');
}

function failed({ failures }: Figures): string[] {
  const reasons = Object.entries(failures).sort(([, a], [, b]) => b - a);
  return reasons.length === 0
    ? []
    : [`failed       ${reasons.map(([reason, count]) => `${count} ${reason}`).join(', ')}`];
}

export function endpointTable({ endpoints }: Figures): string[] {
  const width = Math.max(8, ...endpoints.map(({ name }) => name.length));
  const row = (cells: readonly (string | number)[]): string =>
    cells
      .map((cell, index) => (index === 0 ? String(cell).padEnd(width) : String(cell).padStart(9)))
      .join('');
  return [
    row(['endpoint', 'attempts', 'answers', '429s', 'errors', 'aborted', 'USD']),
    ...endpoints.map(({ name, attempts: sent, ends, usd }) =>
      row([
        name,
        sent,
        ends.answered,
        ends.over_limit + ends.storm,
        ends.error,
        ends.left_early + ends.left_midway,
        usd.toFixed(2),
      ]),
    ),
  ];
}

function quotas({ firstExhausted, oneMoreKey, figures, target }: SimulationReport): string[] {
  if (!firstExhausted && target) return [];
  if (!firstExhausted) return ['No quota was exhausted: one more key would change nothing.'];
  const { endpoint, quota, per, firstAtS, share } = firstExhausted;
  const lines = [
    `Exhausted first: ${quota} per ${per} of ${endpoint}, at second ${round(firstAtS)} and ${percent(100 * share)} of the time.`,
  ];
  if (oneMoreKey) {
    const more = oneMoreKey.figures;
    lines.push(
      `With one more key: goodput ${percent(figures.goodput)} → ${percent(more.goodput)}, priority 5 ${percent(figures.byPriority[5])} → ${percent(more.byPriority[5])},`,
      `p95 ${seconds(figures.p95Ms)} → ${seconds(more.p95Ms)}, $${figures.usd.toFixed(2)} → $${more.usd.toFixed(2)} per 1,000 good answers, 429s ${rateLimited(figures)} → ${rateLimited(more)}.`,
    );
  }
  return lines;
}

export function rateLimited({ endpoints }: Figures): number {
  return endpoints.reduce((total, { ends }) => total + ends.over_limit + ends.storm, 0);
}

function attempts({ endpoints }: Figures): number {
  return endpoints.reduce((total, endpoint) => total + endpoint.attempts, 0);
}
