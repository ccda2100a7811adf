/** The code of the documents that is not TypeScript, which `__tests__/types` compiles. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync } from '@swc/core';
import { parse as parseYaml } from 'yaml';
import { type CodeBlock, codeBlocks, DOCUMENTS, ROOT, read } from './documents';

function blocksIn(...languages: string[]): [name: string, block: CodeBlock][] {
  return DOCUMENTS.flatMap(codeBlocks)
    .filter(({ language }) => languages.includes(language))
    .map((block) => [`${block.document}:${block.line}`, block]);
}

const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
const HELP = read('lib/cli/main.ts');

/** What is wrong with a command of ours in a line of a shell; undefined if nothing is, or the command is not ours. */
function faultOf(command: string): string | undefined {
  const [program = '', ...words] = command
    .trim()
    .replace(/^(?:\w+=\S+ +)+/, '')
    .split(/\s+/);
  if (program === 'cd') return existsSync(join(ROOT, words[0] ?? '')) ? undefined : `no folder ${words[0]}`;
  if (program === 'npm') {
    const name = words[0] === 'run' ? words[1] : words[0] === 'test' ? 'test' : undefined;
    return name === undefined || scripts[name] ? undefined : `no script ${name}`;
  }
  if (program !== 'npx') return undefined;
  if (words[0] === 'express-ai-balancer')
    return words[1] === undefined || words[1].startsWith('-') || HELP.includes(`'${words[1]}'`)
      ? undefined
      : `no command ${words[1]}`;
  // A file without a folder is the reader's own.
  if (words[0] === 'tsx' && words[1]?.includes('/'))
    return existsSync(join(ROOT, words[1])) ? undefined : `no file ${words[1]}`;
  return undefined;
}

const commandsOf = (code: string): string[] =>
  code
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.replace(/ +# .*/, ''))
    .flatMap((line) => line.split(/ && |; /));

test.each(blocksIn('sh'))('the commands in %s exist', (_, { code }) => {
  expect(commandsOf(code).map(faultOf).filter(Boolean)).toEqual([]);
});

test.each(DOCUMENTS)('the commands in the text of %s exist', (document) => {
  const commands = [...read(document).matchAll(/`((?:npm|npx) [^`\n]+)`/g)].flatMap(([, code]) =>
    commandsOf(code ?? ''),
  );
  expect(commands.map(faultOf).filter(Boolean)).toEqual([]);
});

test.each(blocksIn('json'))('%s is valid JSON', (_, { code }) => {
  expect(() => void JSON.parse(code)).not.toThrow();
});

test.each(blocksIn('yaml'))('%s is valid YAML', (_, { code }) => {
  expect(parseYaml(code)).toBeDefined();
});

test.each(blocksIn('js'))('%s is valid JavaScript', (_, { code }) => {
  expect(() => parseSync(code, { syntax: 'ecmascript', target: 'es2022' })).not.toThrow();
});

test('every code block of the documents has one of the known languages or none', () => {
  const known = ['ts', 'js', 'json', 'sh', 'ini', 'nginx', 'dockerfile', 'yaml', ''];
  const others = DOCUMENTS.flatMap(codeBlocks).filter(({ language }) => !known.includes(language));
  expect(others.map(({ document, language }) => [document, language])).toEqual([]);
});
