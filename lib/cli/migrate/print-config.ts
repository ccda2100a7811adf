import { type Value, Variable } from './value';

const WIDTH = 100;

export type Language = 'typescript' | 'javascript';

/** Returns a configuration as JavaScript source. */
export function printConfig(
  config: Readonly<Record<string, Value | undefined>>,
  {
    comments,
    language,
    serve,
  }: { comments: readonly string[]; language: Language; serve: Value | undefined },
): string {
  const isTyped = language === 'typescript';
  return [
    ...comments.map((line) => `// ${line}`.trimEnd()),
    isTyped ? "import type { BalancerConfig } from 'express-ai-balancer';" : undefined,
    '',
    isTyped ? undefined : "/** @type {import('express-ai-balancer').BalancerConfig} */",
    `export const config${isTyped ? ': BalancerConfig' : ''} = ${print(config, '')};`,
    '',
    serve === undefined ? undefined : '// What `express-ai-balancer serve` reads: an app imports `config`.',
    serve === undefined
      ? 'export default config;'
      : `export default { ...config, serve: ${print(serve, '  ')} };`,
    '',
  ]
    .filter((line) => line !== undefined)
    .join('\n');
}

function print(value: Value, indent: string): string {
  if (value instanceof Variable) return value.code;
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number') return number(value);
  if (typeof value === 'boolean') return String(value);
  const inner = `${indent}  `;
  const isList = Array.isArray(value);
  const parts = isList
    ? (value as readonly Value[]).map((each) => [each, print(each, inner)] as const)
    : Object.entries(value as Readonly<Record<string, Value | undefined>>).flatMap(([name, each]) =>
        each === undefined ? [] : [[each, `${key(name)}: ${print(each, inner)}`] as const],
      );
  const [open, close] = isList ? '[]' : '{}';
  if (parts.length === 0) return `${open}${close}`;
  const space = isList ? '' : ' ';
  const line = `${open}${space}${parts.map(([, text]) => text).join(', ')}${space}${close}`;
  const holdsEndpoints = isList && parts.some(([each]) => isEndpoint(each));
  if (
    !holdsEndpoints &&
    !line.includes('\n') &&
    indent !== '' &&
    indent.length + line.length < WIDTH &&
    !isEndpoint(value)
  )
    return line;
  return `${open}\n${parts.map(([, text]) => `${inner}${text},`).join('\n')}\n${indent}${close}`;
}

function isEndpoint(value: Value): boolean {
  return typeof value === 'object' && 'name' in value && 'model' in value;
}

function quote(text: string): string {
  const json = JSON.stringify(text);
  return /['\\]/.test(json) ? json : `'${json.slice(1, -1)}'`;
}

function key(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : quote(name);
}

/** Formats a number as in source code, such as 1_000_000. */
function number(value: number): string {
  const text = String(value);
  return /^\d{5,}$/.test(text) ? text.replace(/\B(?=(?:\d{3})+$)/g, '_') : text;
}
