/** The tables of options against what the code accepts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import type { z } from 'zod';
import { DEFAULTS } from '../../lib/config/defaults';
import { endpointSchema } from '../../lib/config/endpoint-schema';
import { configSchema } from '../../lib/config/schema';
import { ROOT, read } from './documents';

/** The options that a schema of an object accepts, whatever it is wrapped in. */
function optionsOf(schema: unknown): string[] {
  const { shape, def } = schema as { shape?: object; def: z.core.$ZodTypeDef & Record<string, unknown> };
  if (shape) return Object.keys(shape);
  const inner = def.innerType ?? (def.options as unknown[] | undefined)?.find(isNotLiteral) ?? def.valueType;
  return optionsOf(inner);
}

const isNotLiteral = (schema: unknown): boolean =>
  !['literal', 'array'].includes((schema as z.ZodType).def.type);

/** The options that an interface of lib declares itself. */
function membersOf(file: string, name: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(join(ROOT, file), 'utf8'), ts.ScriptTarget.Latest);
  const found = source.statements.find(
    (statement): statement is ts.InterfaceDeclaration =>
      ts.isInterfaceDeclaration(statement) && statement.name.text === name,
  );
  if (!found) throw new Error(`${file} declares no interface ${name}`);
  return found.members.map((member) => (member.name as ts.Identifier).text);
}

interface Row {
  readonly name: string;
  /** The cells by their title. */
  readonly cells: Readonly<Record<string, string>>;
}

/** The options in the first table under a heading whose title begins like this. A row can name several. */
function documented(document: string, heading: string, title = 'option'): Row[] {
  const text = read(document);
  const start = heading === '' ? 0 : text.search(new RegExp(`^#+ ${heading}$`, 'm'));
  if (start < 0) throw new Error(`${document} has no heading ${heading}`);
  const lines = text.slice(start).split('\n');
  const from = lines.findIndex((line) => line.startsWith(`| ${title}`));
  const titles = cellsOf(lines[from] ?? '');
  const rows: Row[] = [];
  for (const line of lines.slice(from + 2)) {
    if (!line.startsWith('|')) break;
    const [first = '', ...rest] = cellsOf(line);
    const cells = Object.fromEntries(rest.map((cell, index) => [titles[index + 1] ?? '', cell]));
    for (const [, name = ''] of first.matchAll(/`([\w.]+)[^`]*`/g)) rows.push({ name, cells });
  }
  return rows;
}

const cellsOf = (line: string): string[] =>
  line
    .slice(1, -1)
    .replaceAll('\\|', '/')
    .split('|')
    .map((cell) => cell.trim());

const namesOf = (rows: readonly Row[]): string[] => rows.map(({ name }) => name).sort();

const { shape } = configSchema;
const dotted = (name: string, options: readonly string[]) => options.map((option) => `${name}.${option}`);

describe("The options in the documentation's tables are exactly those that the code accepts, in", () => {
  it.each<[page: string, heading: string, title: string, options: string[]]>([
    ['docs/configuration.md', 'The balancer', 'option', Object.keys(shape)],
    ['docs/configuration.md', 'Endpoints', 'option', Object.keys(endpointSchema.shape)],
    ['docs/configuration.md', 'Timeouts', 'option', optionsOf(shape.timeouts)],
    ...(['retry', 'breaker', 'queue', 'hedge', 'scoreWeights', 'http'] as const).map(
      (name): [string, string, string, string[]] => [
        'docs/configuration.md',
        `\`${name}\``,
        'option',
        optionsOf(shape[name]),
      ],
    ),
    ['docs/failover.md', '', 'option of `retry`', optionsOf(shape.retry)],
    ['docs/failover.md', '', 'option of `timeouts`', optionsOf(shape.timeouts)],
    ['docs/budgets.md', '', 'option of `budgets`', optionsOf(shape.budgets)],
    [
      'docs/budgets.md',
      'Per tenant',
      'option of `budgets.perTenant`',
      membersOf('lib/budget/options.ts', 'TenantBudgetOptions'),
    ],
    ['docs/cache.md', 'Options', 'option', optionsOf(shape.cache)],
    ['docs/cluster.md', '', 'option of `cluster`', optionsOf(shape.cluster)],
    ['docs/shadow.md', 'Options', 'option', optionsOf(shape.shadow)],
    [
      'docs/canary.md',
      'Options',
      'option',
      [
        ...optionsOf(shape.canary).filter((name) => name !== 'guard'),
        ...dotted('guard', Object.keys(DEFAULTS.canary.guard)),
      ],
    ],
    [
      'docs/guard.md',
      'Options',
      'option',
      [
        ...membersOf('lib/tenant/guard-options.ts', 'RateLimitGuardOptions'),
        ...membersOf('lib/tenant/limits.ts', 'TenantLimitOptions'),
      ],
    ],
    ['docs/gateway.md', 'Options', 'option', membersOf('lib/gateway/options.ts', 'AiGatewayOptions')],
    [
      'docs/gateway.md',
      'In the same process: `createFetch`',
      'option',
      [...membersOf('lib/gateway/create-fetch.ts', 'CreateFetchOptions'), 'timeoutMs', 'fallbacks', 'hedge'],
    ],
    ['docs/dashboard.md', 'Options', 'option', membersOf('lib/dashboard/options.ts', 'AiDashboardOptions')],
    [
      'docs/streaming.md',
      'Forward it to a browser',
      'option',
      membersOf('lib/call/ai-call.ts', 'PipeOptions'),
    ],
    [
      'docs/calls.md',
      'Options',
      'option',
      [
        ...membersOf('lib/call/context.ts', 'RequestContext'),
        ...membersOf('lib/call/context.ts', 'CallOptions'),
      ],
    ],
    ['docs/calls.md', 'The route report', 'field |', membersOf('lib/route-report.ts', 'RouteReport')],
    [
      'docs/calls.md',
      'The route report',
      'field of an attempt',
      membersOf('lib/route-report.ts', 'AttemptReport'),
    ],
    ['docs/calls.md', 'The route report', 'field of a verdict', membersOf('lib/route-report.ts', 'Verdict')],
    [
      'docs/getting-started.md',
      'What a request needs',
      'field',
      membersOf('lib/call/context.ts', 'RequestContext').filter((name) => name !== 'requestId'),
    ],
  ])('%s, %s (%s)', (page, heading, title, options) => {
    expect(namesOf(documented(page, heading, title))).toEqual([...options].sort());
  });

  it('docs/hooks.md, functions and options', () => {
    const rows = [
      ...documented('docs/hooks.md', 'The functions', 'function'),
      ...documented('docs/hooks.md', 'Options'),
    ];
    expect(namesOf(rows)).toEqual(membersOf('lib/hooks/options.ts', 'Hooks').sort());
  });
});

describe("The defaults in the documentation's tables are those of the code, in", () => {
  const { timeouts, retry, breaker, hedge, queue, http, endpoint, cache, hooks, shadow, canary } = DEFAULTS;
  const { budgets, tenantBudgets, scoreWeights, coalesce, idempotency, strategy } = DEFAULTS;
  /** Limits that default to none are written in words. */
  const { maxConcurrent: _none, ...endpointDefaults } = endpoint;

  it.each<[page: string, heading: string, title: string, defaults: object]>([
    ['docs/configuration.md', 'The balancer', 'option', { coalesce, idempotency, strategy }],
    ['docs/configuration.md', 'Endpoints', 'option', endpointDefaults],
    ['docs/configuration.md', 'Timeouts', 'option', timeouts],
    ['docs/configuration.md', '`retry`', 'option', retry],
    ['docs/configuration.md', '`breaker`', 'option', breaker],
    ['docs/configuration.md', '`queue`', 'option', queue],
    ['docs/configuration.md', '`hedge`', 'option', hedge],
    ['docs/configuration.md', '`scoreWeights`', 'option', scoreWeights],
    [
      'docs/configuration.md',
      '`http`',
      'option',
      { maxResponseBytes: http.maxResponseBytes, proxy: http.proxy },
    ],
    ['docs/failover.md', '', 'option of `retry`', retry],
    ['docs/failover.md', '', 'option of `timeouts`', timeouts],
    ['docs/budgets.md', '', 'option of `budgets`', budgets],
    ['docs/budgets.md', 'Per tenant', 'option of `budgets.perTenant`', tenantBudgets],
    ['docs/cache.md', 'Options', 'option', cache],
    ['docs/hooks.md', 'Options', 'option', hooks],
    [
      'docs/shadow.md',
      'Options',
      'option',
      { maxConcurrent: shadow.maxConcurrent, timeoutMs: shadow.timeoutMs },
    ],
    [
      'docs/canary.md',
      'Options',
      'option',
      Object.fromEntries(Object.entries(canary.guard).map(([name, value]) => [`guard.${name}`, value])),
    ],
  ])('%s, %s (%s)', (page, heading, title, defaults) => {
    const rows = new Map(
      documented(page, heading, title).map(({ name, cells }) => [name, cells.default ?? '']),
    );
    const stated = Object.entries(defaults).map(([name, value]: [string, unknown]): [string, unknown] => {
      const text = rows.get(name) ?? '';
      const isStated = text.replace(/[`',]/g, '').split(/[ :(]/)[0] === String(value);
      return [name, isStated ? value : text];
    });
    expect(Object.fromEntries(stated)).toEqual(defaults);
  });
});
