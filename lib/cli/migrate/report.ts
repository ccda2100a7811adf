import { withDocUrls } from '../doc-urls';
import type { Migration, Note } from './migration';

/**
 * Formats the notes for standard error: required variables and packages, settings that have another meaning in this
 * package, and omitted settings.
 */
export function formatNotes(migration: Migration, tool: string): string {
  const { endpoints, variables, notes, file } = migration;
  const models = new Set(endpoints.map(({ model }) => model)).size;
  const lines = [
    `${file}: a configuration of ${tool}: ${count(endpoints.length, 'endpoint')}, ${count(models, 'model')}`,
  ];
  if (variables.size > 0) lines.push('', 'Set in the environment:', ...variableLines(variables));
  if (migration.options.cluster !== undefined) lines.push('', 'Install as well: npm install ioredis');
  for (const [kind, title] of [
    ['check first', 'Check these first:'],
    ['changed', 'Different here:'],
    ['left out', 'Left out:'],
  ] as const) {
    const chosen = notes.filter((note) => note.kind === kind);
    if (chosen.length > 0) lines.push('', title, ...chosen.map(noteLine));
  }
  lines.push('', withDocUrls('docs/migrate.md explains the differences.'));
  return migration.redact(`${lines.join('\n')}\n`);
}

function variableLines(variables: Migration['variables']): string[] {
  const width = Math.max(...[...variables.keys()].map(({ length }) => length));
  return [...variables].map(([name, path]) =>
    path === undefined ? `  ${name}` : `  ${name.padEnd(width)}  the value that is written out at ${path}`,
  );
}

function noteLine({ path, text }: Note): string {
  return `  ${path}: ${text}`;
}

function count(number: number, name: string): string {
  return `${String(number)} ${name}${number === 1 ? '' : 's'}`;
}
