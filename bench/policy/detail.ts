import type { EndpointFigures, Figures } from '../../lib/cli/simulate/engine/figures';
import type { BenchResult } from './run-all';

/** Why and where calls failed and attempts were wasted: sums over the seeds, per policy and scenario. */
export function details(results: readonly BenchResult[]): string {
  const groups = new Map<string, BenchResult[]>();
  for (const result of results) {
    const key = `${result.job.scenario}, ${result.job.policy}`;
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  return [...groups].map(([key, group]) => detail(key, group)).join('\n\n');
}

function detail(title: string, group: readonly BenchResult[]): string {
  const all = group.map(({ figures }) => figures);
  const lines = [`## ${title}: ${sum(all, ({ calls }) => calls)} calls, ${group.length} seeds`];
  lines.push(`  took ${(sum(group, ({ tookMs }) => tookMs) / group.length / 1000).toFixed(1)} s per seed`);
  lines.push('  failed calls by priority 1 to 5:');
  for (const [reason, counts] of failures(all)) {
    const whole = counts.reduce((total, count) => total + count, 0);
    lines.push(`    ${reason.padEnd(24)} ${String(whole).padStart(6)}   ${counts.join(' ')}`);
  }
  lines.push(
    `  endpoint of their last attempt: ${formatCounts(tally(all.flatMap(({ lostAt }) => Object.entries(lostAt))))}`,
  );
  const wasted = tally(all.flatMap(({ wastedBy }) => Object.entries(wastedBy)));
  lines.push(`  wasted attempts by outcome: ${formatCounts(wasted)}`);
  for (const [name, ends, usd] of byEndpoint(all)) {
    lines.push(`    ${name.padEnd(20)} $${usd.toFixed(2).padStart(7)}  ${formatCounts(ends)}`);
  }
  return lines.join('\n');
}

function failures(all: readonly Figures[]): [string, number[]][] {
  const sums = new Map<string, number[]>();
  for (const { failuresByPriority } of all) {
    for (const [reason, counts] of Object.entries(failuresByPriority)) {
      const old = sums.get(reason) ?? [0, 0, 0, 0, 0];
      sums.set(
        reason,
        old.map((count, index) => count + (counts[index] ?? 0)),
      );
    }
  }
  return [...sums];
}

function byEndpoint(all: readonly Figures[]): [string, Map<string, number>, number][] {
  const names = all[0]?.endpoints.map(({ name }) => name) ?? [];
  return names.map((name) => {
    const own = all.flatMap(({ endpoints }) => endpoints.filter((endpoint) => endpoint.name === name));
    return [
      name,
      tally(own.flatMap(({ ends }) => Object.entries(ends))),
      sum(own, ({ usd }: EndpointFigures) => usd),
    ];
  });
}

function tally(entries: readonly (readonly [string, number])[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [name, count] of entries) sums.set(name, (sums.get(name) ?? 0) + count);
  return sums;
}

function formatCounts(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name || 'never sent'} ${count}`)
    .join(', ');
}

function sum<T>(list: readonly T[], of: (item: T) => number): number {
  return list.reduce((total, item) => total + of(item), 0);
}
