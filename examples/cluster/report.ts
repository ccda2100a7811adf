import type { Tally } from '../flash-sale/customers';
import { rateAt, type Sale } from '../flash-sale/sale';
import type { WorkerReport } from './shop';

/** The state at one moment of the day. */
export interface Snapshot {
  readonly second: number;
  readonly isRedisDown: boolean;
  readonly reports: readonly WorkerReport[];
  /** Requests that the providers have admitted since the start, and the most that the limits allow. */
  readonly admitted: number;
  readonly allowed: number;
}

export function snapshotTable(moment: Snapshot, day: Sale): string {
  const { second, isRedisDown, reports, admitted, allowed } = moment;
  const clock = `${Math.floor(second / 60)}:${String(Math.floor(second % 60)).padStart(2, '0')}`;
  const rate =
    second < day.endsAt
      ? `${rateAt(day, second).toFixed(1)} calls per second`
      : 'waiting for the last answers';
  const head = [clock, rate, ...(isRedisDown ? ['Redis is down'] : [])].join('  ');
  const rows = reports.map((report, at) => row(`worker ${at + 1}`, report));
  const limit = `admitted ${Math.round(admitted)} of at most ${Math.floor(allowed)}`;
  return [head, row(''), ...rows, `${row('all', sumOf(reports))}   ${limit}`].join('\n');
}

function row(name: string, report?: WorkerReport): string {
  const cells = report
    ? [report.answered, report.waited, report.failed, report.rateLimited]
    : ['answered', 'waited', 'failed', '429s'];
  const counts = cells.map((cell) => String(cell).padStart(10)).join('');
  return `  ${name.padEnd(10)}${counts}   ${report ? report.quotas : 'quotas'}`.trimEnd();
}

export function sumOf(reports: readonly WorkerReport[]): WorkerReport {
  const sum = (field: Exclude<keyof WorkerReport, 'quotas'>) =>
    reports.reduce((total, report) => total + report[field], 0);
  return {
    answered: sum('answered'),
    failed: sum('failed'),
    waited: sum('waited'),
    rateLimited: sum('rateLimited'),
    quotas: '',
  };
}

/** Compares the customers who came while Redis was up with those who came while it was down. */
export function endTable(usual: Tally, whileDown: Tally): string {
  const columns: [string, Tally][] = [['customers', usual]];
  if (whileDown.asked > 0) columns.push(['while Redis was down', whileDown]);
  const line = (name: string, cells: readonly (string | number)[]) =>
    `${name.padEnd(20)}${cells.map((cell) => String(cell).padStart(24)).join('')}`;
  const rows: [string, (tally: Tally) => string | number][] = [
    ['asked', ({ asked }) => asked],
    ['answered in time', ({ inTime }) => inTime],
    ['refused', ({ refused }) => refused],
    ['too late', ({ late, waiting }) => late + waiting],
    ['p50', (tally) => seconds(tally.percentile(0.5))],
    ['p99', (tally) => seconds(tally.percentile(0.99))],
  ];
  return [
    line(
      '',
      columns.map(([title]) => title),
    ),
    ...rows.map(([name, cell]) =>
      line(
        name,
        columns.map(([, tally]) => cell(tally)),
      ),
    ),
  ].join('\n');
}

function seconds(ms: number): string {
  return Number.isNaN(ms) ? '-' : `${(ms / 1000).toFixed(1)} s`;
}
