import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { ATTRIBUTES, BODY_ATTRIBUTES, HISTOGRAMS } from '../../lib/telemetry/genai-names';
import { METRICS } from '../../lib/telemetry/metric-names';

const document = readFileSync('docs/observability.md', 'utf8');

/** The text below a heading, up to the next one of the same or a higher level. */
function section(heading: string): string {
  const [, level] = /^(#+) /.exec(heading)!;
  const start = document.indexOf(`\n${heading}\n`);
  if (start < 0) throw new Error(`docs/observability.md has no heading '${heading}'`);
  const rest = document.slice(start + heading.length + 2);
  const end = rest.search(new RegExp(`\n#{1,${level!.length}} `));
  return end < 0 ? rest : rest.slice(0, end);
}

/** The names in backquotes in the first column of the tables. */
function firstColumn(text: string): string[] {
  return [...text.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name!);
}

/** The fields of each event, from the types. */
function eventFields(): Map<string, string[]> {
  const file = 'lib/balancer/events.ts';
  const program = ts.createProgram([file], { strict: true, skipLibCheck: true, types: [] });
  const checker = program.getTypeChecker();
  const fields = new Map<string, string[]>();
  program.getSourceFile(file)?.forEachChild((node) => {
    if (!ts.isInterfaceDeclaration(node) || node.name.text !== 'BalancerEvents') return;
    for (const event of checker.getTypeAtLocation(node).getProperties()) {
      const [type] = checker.getTypeArguments(checker.getTypeOfSymbol(event) as ts.TypeReference);
      const variants = type!.isUnion() ? type.types : [type!];
      const names = variants.flatMap((variant) => variant.getProperties().map(({ name }) => name));
      fields.set(event.name, [...new Set(names)]);
    }
  });
  return fields;
}

describe('docs/observability.md', () => {
  it('lists exactly the existing events with their fields', () => {
    const fields = eventFields();
    expect(fields.size).toBeGreaterThan(8);
    const headings = [...document.matchAll(/^### '(\w+)'$/gm)].map(([, name]) => name);
    expect(headings.sort()).toEqual([...fields.keys()].sort());
    for (const [event, names] of fields)
      expect([event, ...firstColumn(section(`### '${event}'`)).sort()]).toEqual([event, ...names.sort()]);
  });

  it('lists exactly the existing metrics with their types and labels', () => {
    const rows = [...section('## Prometheus').matchAll(/^\| `(\w+)` \| (\w+) \| ([^|]*) \|/gm)];
    const documented = rows.map(([, name, type, labels]) => [
      name,
      type,
      [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label),
    ]);
    expect(documented).toEqual(
      Object.entries(METRICS).map(([name, { type, labels }]) => [name, type, labels]),
    );
  });

  it('lists exactly the existing attributes and metrics of OpenTelemetry', () => {
    const names = [
      ...Object.values(ATTRIBUTES),
      ...new Set(Object.values(BODY_ATTRIBUTES)),
      ...Object.keys(HISTOGRAMS),
    ];
    expect(firstColumn(section('## OpenTelemetry')).sort()).toEqual(names.sort());
  });
});
