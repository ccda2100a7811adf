import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { poissonArrivals, rateAt, traceArrivals } from '../../lib/cli/simulate/engine/arrivals';
import { readTrace } from '../../lib/cli/simulate/engine/trace';
import { drawCalls } from '../../lib/cli/simulate/engine/workload';
import { parseFlags } from '../../lib/cli/simulate/flags';
import { publishedLengths } from '../../lib/cli/simulate/lengths';
import { workloadOf } from '../../lib/cli/simulate/workload-from-flags';

const SHAPE = { baseRps: 1, peakRps: 20, riseAtS: 60, riseS: 5, holdS: 90, decayS: 20 };
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

test('rateAt: a spike rises to its peak, holds, and decays with its time constant', () => {
  expect([0, 59, 62.5, 65, 154].map((second) => rateAt(SHAPE, second))).toEqual([1, 1, 10.5, 20, 20]);
  expect(rateAt(SHAPE, 175)).toBeCloseTo(1 + 19 / Math.E, 5);
});

test('poissonArrivals: arrivals are sorted, and their number matches the rate', () => {
  const arrivals = poissonArrivals(SHAPE, 300, 5);
  expect(arrivals).toEqual([...arrivals].sort((a, b) => a - b));
  expect(arrivals.filter((at) => at < 60_000).length).toBeGreaterThan(35);
  expect(arrivals.filter((at) => at < 60_000).length).toBeLessThan(90);
  const peak = arrivals.filter((at) => at >= 65_000 && at < 155_000).length;
  expect(peak / 90).toBeGreaterThan(18);
  expect(peak / 90).toBeLessThan(22);
});

test('traceArrivals: gaps keep their proportions at any rate, even if the trace is repeated', () => {
  const rows = [0, 1000, 1100, 4000].map((atMs) => ({ atMs, promptTokens: 1, outputTokens: 1 }));
  const arrivals = traceArrivals(rows, 1, 2, 6);
  // The mean gap of 4000 / 3 ms becomes 500 ms.
  const gaps = arrivals.slice(1).map((at, index) => at - arrivals[index]!);
  expect(gaps.slice(0, 4).map(Math.round)).toEqual([38, 1088, 500, 375]);
});

test('drawCalls: priorities, qualities and price ceilings have the given shares, and no call expects more than max_tokens', () => {
  const rows = publishedLengths(20_000, 3);
  const calls = drawCalls(
    rows.map((_, index) => index),
    rows,
    0,
    {
      qualities: [
        [0.7, 0],
        [0.3, 0.9],
      ],
      ceilings: [
        [0.6, undefined],
        [0.4, 0.004],
      ],
      noCeilingFrom: 0.9,
    },
    9,
  );
  const share = (of: (call: (typeof calls)[number]) => boolean): number =>
    calls.filter(of).length / calls.length;
  expect(share(({ priority }) => priority === 5)).toBeCloseTo(0.1, 1);
  expect(share(({ priority }) => priority === 3)).toBeCloseTo(0.4, 1);
  expect(share(({ minQuality }) => minQuality === 0.9)).toBeCloseTo(0.3, 1);
  expect(share(({ maxUsdPer1k }) => maxUsdPer1k !== undefined)).toBeCloseTo(0.28, 1);
  // One assertion for all calls, since one for each takes seconds.
  const wrong = calls.filter(
    ({ expectedOutputTokens, outputTokens, maxTokens, deadlineMs, minQuality, maxUsdPer1k }) =>
      Math.max(expectedOutputTokens, outputTokens) > maxTokens ||
      deadlineMs < 3000 + 60 * outputTokens ||
      (minQuality === 0.9 && maxUsdPer1k !== undefined),
  );
  expect(wrong).toEqual([]);
});

test('publishedLengths: lengths have the published means', () => {
  const rows = publishedLengths(50_000, 1);
  expect(mean(rows.map(({ promptTokens }) => promptTokens)) / 1154.7).toBeCloseTo(1, 1);
  expect(mean(rows.map(({ outputTokens }) => outputTokens)) / 211.1).toBeCloseTo(1, 1);
});

describe('readTrace', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trace-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const write = (data: string | Buffer): string => {
    const path = join(folder, 'trace');
    writeFileSync(path, data);
    return path;
  };

  test('reads plain and gzipped files with columns in any order', () => {
    const text = 'output_tokens,note,t_ms,prompt_tokens\r\n5,a,0,10\r\n6,b,7.5,20\r\n';
    const rows = [
      { atMs: 0, promptTokens: 10, outputTokens: 5 },
      { atMs: 7.5, promptTokens: 20, outputTokens: 6 },
    ];
    expect(readTrace(write(text))).toEqual(rows);
    expect(readTrace(write(gzipSync(text)))).toEqual(rows);
  });

  test.each([
    ['t_ms,prompt_tokens\n0,1\n1,1\n', 'missing: output_tokens'],
    ['t_ms,prompt_tokens,output_tokens\n0,1,1\n', 'at least two rows'],
    ['t_ms,prompt_tokens,output_tokens\n0,1,1\n5,,1\n', ':3: expected three numbers'],
    ['t_ms,prompt_tokens,output_tokens\n5,1,1\n4,1,1\n', ':3: expected three numbers'],
    ['t_ms,prompt_tokens,output_tokens\n0,1,-1\n4,1,1\n', ':2: expected three numbers'],
  ])('rejects the invalid file %j with the place of the fault', (text, message) => {
    expect(() => readTrace(write(text))).toThrow(message);
  });
});

describe('workloadOf', () => {
  const folder = mkdtempSync(join(tmpdir(), 'workload-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'trace.csv');
  writeFileSync(path, 't_ms,prompt_tokens,output_tokens\n0,100,10\n500,200,20\n1000,300,30\n');
  const workload = (...flags: readonly string[]) => {
    const parsed = parseFlags(['--config', 'x', '--seconds', '60', ...flags]);
    if (parsed === 'help') throw new Error('unexpected');
    return workloadOf(parsed);
  };

  test('calls have deadlines that grow with their answers, or all the one of --deadline-ms', () => {
    const calls = workload('--rps', '5');
    expect(calls.length).toBeGreaterThan(200);
    expect(calls.filter(({ deadlineMs, outputTokens }) => deadlineMs < 3_000 + 60 * outputTokens)).toEqual(
      [],
    );
    const limited = workload('--rps', '5', '--deadline-ms', '700');
    expect(limited).toEqual(calls.map((call) => ({ ...call, deadlineMs: 700 })));
  });

  test('calls of --trace have its lengths and gaps; with --spike only its lengths', () => {
    const even = workload('--rps', '2', '--trace', path);
    expect(even.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 120 }, (_, call) => call * 500));
    const spiky = workload('--rps', '2', '--trace', path, '--spike', '4');
    for (const calls of [even, spiky])
      expect(new Set(calls.map(({ promptTokens, outputTokens }) => promptTokens / outputTokens))).toEqual(
        new Set([10]),
      );
    const duringRise = spiky.filter(({ atMs }) => atMs < 12_000).length;
    expect(duringRise).toBeLessThan(spiky.filter(({ atMs }) => atMs >= 13_000 && atMs < 25_000).length);
  });

  test('the seed decides which row of the trace is the first, so that runs differ', () => {
    const firsts = ['1', '2', '3', '4'].map(
      (seed) => workload('--trace', path, '--seed', seed)[0]?.promptTokens,
    );
    expect(new Set(firsts).size).toBeGreaterThan(1);
  });

  test.each([
    [['--rps', '10000'], '--rps 10000 for 60 s exceeds the maximum of 500000 calls'],
    [['--trace', 'none.csv'], '--trace: no such file: none.csv'],
    [['--trace', 'package.json'], '--trace: package.json: expected the columns t_ms, prompt_tokens'],
  ])('%j is rejected with an explanation', (flags, message) => {
    expect(() => workload(...flags)).toThrow(
      expect.objectContaining({
        name: 'UsageError',
        message: expect.stringContaining(message) as string,
      }) as Error,
    );
  });
});

test.each([
  ['the trace has no rows', [], [[1, 0]]],
  ['nothing to choose from', [{ atMs: 0, promptTokens: 1, outputTokens: 1 }], []],
] as const)('drawCalls: says that %s', (message, rows, qualities) => {
  expect(() =>
    drawCalls([0], rows, 0, { qualities, ceilings: [[1, undefined]], noCeilingFrom: 2 }, 1),
  ).toThrow(message);
});

test('drawCalls: deadlines are drawn from a range of seconds if one is given', () => {
  const rows = publishedLengths(200, 3);
  const calls = drawCalls(
    rows.map(() => 0),
    rows,
    0,
    { qualities: [[1, 0]], ceilings: [[1, undefined]], noCeilingFrom: 2, deadlineS: [2, 6] },
    1,
  );
  const deadlines = calls.map(({ deadlineMs }) => deadlineMs);
  expect(Math.min(...deadlines)).toBeGreaterThanOrEqual(2_000);
  expect(Math.min(...deadlines)).toBeLessThan(2_200);
  expect(Math.max(...deadlines)).toBeLessThanOrEqual(6_000);
  expect(Math.max(...deadlines)).toBeGreaterThan(5_800);
});
