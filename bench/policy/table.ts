import type { Figures } from '../../lib/cli/simulate/engine/figures';
import type { Bound } from './bound';
import { POLICIES } from './policies';
import type { BenchResult } from './run-all';
import type { ScenarioName } from './scenarios';

interface Column {
  readonly title: string;
  readonly digits: number;
  figure(figures: Figures): number;
  readonly bound?: keyof Bound;
}

const COLUMNS: readonly Column[] = [
  { title: 'goodput %', digits: 2, figure: ({ goodput }) => goodput, bound: 'goodput' },
  { title: 'weighted %', digits: 2, figure: ({ weighted }) => weighted, bound: 'weighted' },
  { title: 'priority 5 %', digits: 2, figure: ({ byPriority }) => byPriority[5], bound: 'priority5' },
  { title: '$ / 1,000 good', digits: 2, figure: ({ usd }) => usd },
  { title: 'wasted / 1,000', digits: 0, figure: ({ wasted }) => wasted },
  { title: 'own 429s / 1,000', digits: 1, figure: ({ violations }) => violations },
  { title: 'p50 s', digits: 1, figure: ({ p50Ms }) => p50Ms / 1000 },
  { title: 'p95 s', digits: 1, figure: ({ p95Ms }) => p95Ms / 1000 },
  { title: 'p99 s', digits: 1, figure: ({ p99Ms }) => p99Ms / 1000 },
];

/** One Markdown table per scenario: mean and standard error over the seeds. */
export function tables(
  results: readonly BenchResult[],
  bounds: ReadonlyMap<ScenarioName, readonly Bound[]>,
): string {
  const scenarios = [...new Set(results.map(({ job }) => job.scenario))];
  return scenarios
    .map((scenario) => {
      const own = results.filter(({ job }) => job.scenario === scenario);
      return `### ${scenario}\n\n${table(own, bounds.get(scenario) ?? [])}`;
    })
    .join('\n\n');
}

function table(results: readonly BenchResult[], bounds: readonly Bound[]): string {
  const policies = [...POLICIES].filter(([name]) => results.some(({ job }) => job.policy === name));
  const rows = policies.map(([name, title]) => {
    const own = results.filter(({ job }) => job.policy === name).map(({ figures }) => figures);
    return [title, ...COLUMNS.map(({ figure, digits }) => meanAndError(own.map(figure), digits))];
  });
  const bound = [
    'bound for any policy',
    ...COLUMNS.map(({ bound: key, digits }) =>
      key
        ? meanAndError(
            bounds.map((of) => of[key]),
            digits,
          )
        : '',
    ),
  ];
  return [
    ['policy', ...COLUMNS.map(({ title }) => title)],
    ['---', ...COLUMNS.map(() => '---:')],
    ...rows,
    ...(bounds.length > 0 ? [bound] : []),
  ]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}

/** `99.75 ± 0.02`; without the error if there is only one value. */
export function meanAndError(values: readonly number[], digits: number): string {
  if (values.length === 0) return '';
  const mean = values.reduce((total, value) => total + value, 0) / values.length;
  if (values.length === 1) return mean.toFixed(digits);
  const variance = values.reduce((total, value) => total + (value - mean) ** 2, 0) / (values.length - 1);
  return `${mean.toFixed(digits)} ± ${Math.sqrt(variance / values.length).toFixed(digits)}`;
}
