import type { Progress } from './run';
import { rateAt, type Sale } from './sale';
import type { Outcome, Outcomes } from './stage';

/** One line with the time of day and the results of the shops so far. */
export function progressLine({ second, balanced, roundRobin, oneKey, faults }: Progress, sale: Sale): string {
  const clock = `${Math.floor(second / 60)}:${String(Math.floor(second % 60)).padStart(2, '0')}`;
  const rate =
    second < sale.endsAt ? `${rateAt(sale, second).toFixed(1).padStart(4)} calls/s` : 'last answers';
  const answers = `in time: balanced ${padded(balanced.inTime)}, round robin ${padded(roundRobin.inTime)}, one key ${padded(oneKey.inTime)}`;
  const line = `${clock}  ${rate.padEnd(12)} | ${padded(balanced.asked)} asked | ${answers}`;
  return faults.length === 0 ? line : `${line} | ${faults.join(', ')}`;
}

/** The results of the shops side by side. */
export function table({ balanced, roundRobin, oneKey }: Outcomes): string {
  const rows: [string, (outcome: Outcome) => string][] = [
    ['asked', ({ tally }) => count(tally.asked)],
    ['answered in time', ({ tally }) => `${count(tally.inTime)} (${tally.percent.toFixed(1)} %)`],
    ['refused', ({ tally }) => count(tally.refused)],
    ['too late', ({ tally }) => count(tally.late + tally.waiting)],
    ['p50', ({ tally }) => seconds(tally.percentile(0.5))],
    ['p95', ({ tally }) => seconds(tally.percentile(0.95))],
    ['p99', ({ tally }) => seconds(tally.percentile(0.99))],
    ['429s from providers', ({ rateLimited }) => count(rateLimited)],
    ['cost', ({ usd }) => `$${usd.toFixed(2)}`],
    [
      'cost per 1,000 answers',
      ({ usd, tally }) => (tally.inTime ? `$${((1000 * usd) / tally.inTime).toFixed(2)}` : '-'),
    ],
  ];
  const lines = rows.map(([name, cell]) => line(name, cell(balanced), cell(roundRobin), cell(oneKey)));
  const rule = '-'.repeat(line('').length);
  return [line('', 'balanced', 'round robin', 'one key'), rule, ...lines].join('\n');
}

function line(name: string, ...cells: string[]): string {
  return name.padEnd(24) + Array.from({ length: 3 }, (_, at) => (cells[at] ?? '').padStart(18)).join('');
}

function padded(value: number): string {
  return String(value).padStart(4);
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function seconds(ms: number): string {
  return Number.isNaN(ms) ? '-' : `${(ms / 1000).toFixed(1)} s`;
}
