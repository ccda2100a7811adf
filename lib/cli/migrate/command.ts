import { writeFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { parseArgs } from 'node:util';
import { isObject } from '../../util/is-object';
import { UsageError } from '../usage-error';
import { bifrostVariable, readBifrost } from './bifrost';
import { noteUnlimited, noteUnpriced } from './call-chains';
import { MIGRATE_HELP } from './help';
import { litellmVariable, readLitellm } from './litellm/litellm';
import { Migration } from './migration';
import { configOf } from './output-config';
import { readPortkey } from './portkey';
import { type Language, printConfig } from './print-config';
import { formatNotes } from './report';
import { readSource } from './source';
import { type Value, Variable } from './value';

interface Tool {
  readonly name: string;
  readonly isRecognized: (file: Record<string, unknown>) => boolean;
  readonly variableIn: (text: string) => string | undefined;
  readonly read: (value: unknown, migration: Migration) => void;
}

const TOOLS: readonly Tool[] = [
  {
    name: 'LiteLLM',
    isRecognized: (file) => 'model_list' in file,
    variableIn: litellmVariable,
    read: readLitellm,
  },
  {
    name: 'Bifrost',
    isRecognized: (file) => isObject(file.providers),
    variableIn: bifrostVariable,
    read: readBifrost,
  },
  {
    name: 'Portkey',
    isRecognized: (file) =>
      ['targets', 'strategy', 'provider', 'virtual_key', 'virtualKey'].some((name) => name in file),
    variableIn: () => undefined,
    read: readPortkey,
  },
];

const LANGUAGES: Readonly<Record<string, Language>> = {
  '.ts': 'typescript',
  '.mts': 'typescript',
  '.mjs': 'javascript',
  '.js': 'javascript',
};

/** Runs the migrate command. Resolves to the exit code. */
export function migrate(args: readonly string[]): number {
  const flags = readFlags(args);
  if (flags === 'help') {
    process.stdout.write(MIGRATE_HELP);
    return 0;
  }
  const { file, out, force } = flags;
  const language = out === undefined ? 'typescript' : languageOf(out);
  const source = readSource(file);
  const tool = isObject(source) ? TOOLS.find(({ isRecognized }) => isRecognized(source)) : undefined;
  if (!tool)
    throw new UsageError(
      `${file}: expected the configuration of LiteLLM (model_list), Portkey (strategy and targets) or Bifrost (providers)`,
    );
  const migration = new Migration(file, flags.models, tool.variableIn, variablesIn(source, tool));
  tool.read(source, migration);
  const config = configOf(migration);
  noteUnlimited(migration);
  noteUnpriced(migration);
  const serve = flags.serve
    ? { tokens: [{ token: migration.token ?? migration.variable('GATEWAY_TOKEN'), tenant: 'app' }] }
    : undefined;
  migration.keepVariables(variablesOf({ ...config, serve, token: migration.token }));
  const comments = [
    `From ${basename(file)}, a configuration of ${tool.name}.`,
    ...variableComments(migration),
  ];
  const text = migration.redact(printConfig(config, { comments, language, serve }));
  if (out === undefined) process.stdout.write(text);
  else write(out, text, force);
  process.stderr.write(formatNotes(migration, tool.name));
  if (out !== undefined)
    process.stderr.write(
      `Written to ${out}. Try it: npx express-ai-balancer simulate --config ${out} --model ${shellWord(modelOf(migration))}\n`,
    );
  return 0;
}

function languageOf(out: string): Language {
  const language = LANGUAGES[extname(out)];
  if (language) return language;
  throw new UsageError(`--out: expected a file ending in ${Object.keys(LANGUAGES).join(', ')}, got '${out}'`);
}

/** Returns the model for the simulate command that the output suggests. */
function modelOf({ askedModel, endpoints }: Migration): string {
  return askedModel ?? endpoints[0]?.model ?? 'auto';
}

function shellWord(text: string): string {
  return /^[\w./:@+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Finds all environment variables that the source refers to. */
function variablesIn(value: unknown, tool: Tool, found = new Set<string>()): ReadonlySet<string> {
  if (typeof value === 'string') {
    const name = tool.variableIn(value);
    if (name !== undefined) found.add(name);
  } else if (typeof value === 'object' && value !== null)
    for (const each of Object.values(value)) variablesIn(each, tool, found);
  return found;
}

/** The names of the variables in a written value. */
function variablesOf(value: Value | undefined, found = new Set<string>()): ReadonlySet<string> {
  if (value instanceof Variable) found.add(value.name);
  else if (typeof value === 'object')
    for (const each of Object.values(value) as Value[]) variablesOf(each, found);
  return found;
}

function variableComments({ variables }: Migration): string[] {
  return variables.size === 0 ? [] : [`Set in the environment: ${[...variables.keys()].join(', ')}.`];
}

function readFlags(args: readonly string[]) {
  const { values, positionals } = parse(args);
  if (values.help) return 'help';
  const [file, ...others] = positionals;
  if (file === undefined || others.length > 0)
    throw new UsageError(`expected one FILE, got ${String(positionals.length)} (see --help)`);
  return {
    file,
    out: values.out,
    force: values.force ?? false,
    models: values.model ?? [],
    serve: values.serve ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        out: { type: 'string' },
        force: { type: 'boolean' },
        model: { type: 'string', multiple: true },
        serve: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function write(out: string, text: string, force: boolean): void {
  try {
    writeFileSync(out, text, { flag: force ? 'w' : 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new UsageError(`--out: ${out} exists: --force overwrites it`);
    throw new UsageError(`--out: ${out} could not be written (${code ?? 'unknown error'})`);
  }
}
