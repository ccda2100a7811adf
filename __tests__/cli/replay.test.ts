import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { transformSync } from '@swc/core';
import { type CallEvent, routeLogLine } from 'express-ai-balancer';
import { readReplay } from '../../lib/cli/simulate/replay';
import { formatReplayReport, type ReplayReport } from '../../lib/cli/simulate/replay-report';
import { endpointAt, Rig } from '../helpers/provider';
import { run } from './run';
import { temporaryFiles } from './temporary-files';

const rig = new Rig();
const CLI = 'lib/cli/main.ts';
const NINE = Date.UTC(2026, 10, 27, 9);
const section = /^## Replay a log$([\s\S]*?)^## /m.exec(readFileSync('docs/simulate.md', 'utf8'))![1]!;

const file = temporaryFiles('replay-');

function line(more: Partial<CallEvent> = {}): string {
  return routeLogLine({
    requestId: 'r',
    operation: 'chat',
    stream: false,
    endpoint: 'key-1',
    provider: 'openai',
    model: 'gpt-4o',
    requestedModel: 'gpt-4o',
    type: 'chat',
    priority: 3,
    startedAt: NINE,
    estimatedTokens: { input: 400, output: 200 },
    maxTokens: 400,
    deadlineMs: 20_000,
    tokens: { input: 500, output: 150 },
    costUsd: 0.002,
    wastedTokens: 0,
    wastedUsd: 0,
    waitMs: 0,
    ms: 2_000,
    attempts: 1,
    failed: false,
    ...more,
  });
}

/** Five calls per second for a minute, one of each priority; the last one failed. */
const FRIDAY = Array.from({ length: 300 }, (_, call) =>
  line({
    startedAt: NINE + call * 200,
    priority: ((call % 5) + 1) as CallEvent['priority'],
    stream: call % 2 === 0,
    tenant: `shop-${call % 3}`,
    ...(call === 299 ? { failed: true, code: 'ERR_AI_DEADLINE', wastedUsd: 0.01 } : {}),
  }),
).join('');
const FOUR_KEYS = {
  endpoints: [1, 2, 3, 4].map((key) => ({ name: `key-${key}`, model: 'gpt-4o', rpm: 600, tpm: 70_000 })),
};

describe('simulate --replay', () => {
  it('compares a log with the same calls on fewer endpoints, as docs/simulate.md shows', async () => {
    const paths: Record<string, string> = {
      'ai.config.mjs': file('ai.config.mjs', `export default ${JSON.stringify(FOUR_KEYS)}`),
      'calls.log': file('calls.log', FRIDAY),
    };
    const [, command] = /^npx express-ai-balancer (simulate .*)$/m.exec(section)!;
    const args = command!.split(' ').map((word) => paths[word] ?? word);
    const { code, out, err } = await run(CLI, ...args, '--json');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const report = JSON.parse(out) as ReplayReport;
    // The document shows this very run.
    expect(section).toContain(formatReplayReport(report));
    const { logged, figures, withAll } = report;
    // Cents do not tell small amounts apart.
    const cheap = formatReplayReport({ ...report, logged: { ...logged, usdTotal: 0.002 } });
    expect(cheap).toMatch(/^cost +\$0\.0020 +\$0\.83 +\$0\.56$/m);
    expect(logged).toMatchObject({ calls: 300, failures: { ERR_AI_DEADLINE: 1 }, p50Ms: 2_000 });
    expect(logged.usdTotal).toBeCloseTo(0.61, 9);
    expect(figures.endpoints.map(({ name }) => name)).toEqual(['key-1', 'key-2']);
    expect(withAll!.calls).toBe(300);
    expect(withAll!.goodput).toBeGreaterThan(figures.goodput + 10);
    expect(withAll!.byPriority[5]).toBeGreaterThanOrEqual(figures.byPriority[5]);
    expect(withAll!.usdTotal).toBeGreaterThan(figures.usdTotal);
  });

  it('rejects --without for an unknown endpoint or for all endpoints', async () => {
    const config = file('four.json', JSON.stringify(FOUR_KEYS));
    const log = file('one.log', line());
    const without = (...names: string[]) =>
      run(CLI, 'simulate', '-c', config, '--replay', log, ...names.flatMap((name) => ['--without', name]));
    const [unknown, all] = await Promise.all([without('key-9'), without('key-1', 'key-2', 'key-3', 'key-4')]);
    expect(unknown).toEqual({
      code: 2,
      out: '',
      err: "--without: no endpoint is named 'key-9': did you mean 'key-1'?; known endpoints: key-1, key-2, key-3, key-4\n",
    });
    expect(all).toEqual({ code: 2, out: '', err: '--without: it leaves no endpoint\n' });
  });
});

describe('The route log of simulate --replay', () => {
  it.each([
    [
      '{"operation":"chat","star',
      'line 3: not JSON; expected one call per line, as routeLogLine() writes them',
    ],
    ['7', 'line 3: expected a JSON object'],
    ['{"operation":"chat","ms":5}', "line 3: expected a number of at least 0 in 'startedAt'"],
    ['{"operation":"chat","ms":-5,"startedAt":1}', "line 3: expected a number of at least 0 in 'ms'"],
  ])('is rejected with the line number if it contains the line %s', (bad, message) => {
    const path = file('bad.log', `${line()}${line()}${bad}\n`);
    expect(() => readReplay(path, undefined)).toThrow(`--replay: ${path}, ${message}`);
  });

  it('is rejected if the file does not exist or contains no chat', () => {
    const none = join(__dirname, 'none.log');
    expect(() => readReplay(none, undefined)).toThrow(`--replay: no such file: ${none}`);
    expect(() => readReplay(file('empty.log', '\n'), undefined)).toThrow('has no calls');
    expect(() => readReplay(file('vectors.log', line({ operation: 'embeddings' })), undefined)).toThrow(
      'has no chats',
    );
  });

  it('may contain other log messages, calls in any order and calls that are not chats', () => {
    const log = [
      '{"level":30,"msg":"listening"}\n',
      line({ startedAt: NINE + 500 }),
      line({ operation: 'embeddings' }),
      line({ startedAt: NINE, tokens: { input: 70, output: 30 } }),
    ].join('');
    const { calls, leftOut, startAtMs } = readReplay(file('mixed.log', log), undefined);
    expect({ leftOut, startAtMs }).toEqual({ leftOut: 1, startAtMs: NINE });
    expect(calls).toMatchObject([
      { atMs: 0, promptTokens: 70, outputTokens: 30, maxTokens: 400, deadlineMs: 20_000 },
      { atMs: 500, promptTokens: 500, outputTokens: 150 },
    ]);
  });

  it('may be gzipped and may lack every field but the start and the duration', () => {
    const text =
      '{"operation":"chat","startedAt":5000,"ms":70}\n{"operation":"chat","startedAt":9000,"ms":30}\n';
    const path = file('small.log', '');
    writeFileSync(path, gzipSync(text));
    const { calls, seconds, logged } = readReplay(path, undefined);
    expect(calls[0]).toEqual({
      index: 0,
      atMs: 0,
      promptTokens: 1,
      outputTokens: 1,
      maxTokens: 1,
      expectedOutputTokens: 1,
      priority: 3,
      deadlineMs: 300_000,
      minQuality: 0,
      maxUsdPer1k: undefined,
      logged: {
        stream: false,
        model: undefined,
        tenant: undefined,
        type: undefined,
        tags: undefined,
        hasMaxTokens: false,
        hasDeadline: false,
      },
    });
    expect({ seconds, logged }).toEqual({
      seconds: 4,
      logged: { calls: 2, answered: 100, usdTotal: 0, p50Ms: 30, p95Ms: 70, failures: {} },
    });
  });

  it.each([
    [
      'the estimate of the tokens of a call that failed',
      { tokens: undefined },
      { promptTokens: 400, outputTokens: 200 },
    ],
    [
      'no more output tokens than the call allows',
      { maxTokens: 90 },
      { maxTokens: 90, expectedOutputTokens: 90 },
    ],
    ['a priority within 1 to 5', { priority: 9 }, { priority: 5 }],
    ['the texts among the tags', { tags: ['eu', 7] }, { logged: { tags: ['eu'] } }],
    [
      'the requirements of a call',
      { minQuality: 0.9, maxCostPer1k: 0.01 },
      { minQuality: 0.9, maxUsdPer1k: 0.01 },
    ],
  ])('is replayed with %s', (_name, change, expected) => {
    const entry = { ...(JSON.parse(line()) as object), ...change };
    expect(readReplay(file('entry.log', JSON.stringify(entry)), undefined).calls[0]).toMatchObject(expected);
  });

  it('is replayed with the deadline of --deadline-ms in place of its own', () => {
    expect(readReplay(file('own.log', line()), 700).calls[0]).toMatchObject({
      deadlineMs: 700,
      logged: { hasDeadline: true },
    });
  });

  it('counts failed calls by their code, and those without one as errors', () => {
    const failures = ['ERR_AI_DEADLINE', 'ERR_AI_DEADLINE', undefined].map((code) => {
      const {
        code: _code,
        costUsd: _cost,
        ...entry
      } = JSON.parse(line({ failed: true })) as Record<string, unknown>;
      return JSON.stringify({ ...entry, ...(code === undefined ? {} : { code, wastedUsd: 0.5 }) });
    });
    const { logged } = readReplay(
      file('failed.log', [line(), ...failures].join('\n').replace('\n\n', '\n')),
      undefined,
    );
    expect(logged).toMatchObject({ answered: 25, failures: { ERR_AI_DEADLINE: 2, error: 1 } });
    expect(logged.usdTotal).toBeCloseTo(1.002, 9);
  });

  it('is rejected if it can not be read', () => {
    expect(() => readReplay('lib', undefined)).toThrow('--replay: lib: EISDIR');
  });

  it('is written by the code in docs/simulate.md, without prompts and keys', async () => {
    const provider = await rig.provider();
    const balancer = rig.balancer([endpointAt(provider, { apiKey: 'sk-secret-key' })]);
    const [, recipe] = /^```ts\n[\s\S]*?(?=^const)([\s\S]*?)^```$/m.exec(section)!;
    const { code } = transformSync(recipe!, { jsc: { target: 'es2022', parser: { syntax: 'typescript' } } });
    const lines: string[] = [];
    const createWriteStream = () => ({ write: (text: string) => lines.push(text) });
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the code is from our own document
    const follow = new Function('balancer', 'createWriteStream', 'routeLogLine', code) as (
      ...args: readonly unknown[]
    ) => void;
    follow(balancer, createWriteStream, routeLogLine);
    const before = Date.now();
    await balancer.chat(
      { model: 'gpt-4o', max_tokens: 50, messages: [{ role: 'user', content: 'a private question' }] },
      { tenant: 'shop', priority: 5, timeoutMs: 9_000 },
    );
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toMatch(/sk-secret-key|private question/);
    const { calls, startAtMs } = readReplay(file('recipe.log', lines.join('')), undefined);
    expect(Math.abs(startAtMs - before)).toBeLessThan(60_000);
    expect(calls).toMatchObject([
      { priority: 5, maxTokens: 50, deadlineMs: 9_000, logged: { tenant: 'shop', model: 'gpt-4o' } },
    ]);
  });
});
