import { type CallOutcome, figuresOf } from '../../lib/cli/simulate/engine/figures';
import { VirtualProvider } from '../../lib/cli/simulate/engine/virtual-provider';
import { answerText, chunkOf, closingOf } from '../../lib/cli/simulate/engine/wire-text';
import type { Priority, WorkCall } from '../../lib/cli/simulate/engine/workload';
import { parseFlags } from '../../lib/cli/simulate/flags';
import { createReplayReport, formatReplayReport } from '../../lib/cli/simulate/replay-report';
import { createReport, formatReport } from '../../lib/cli/simulate/report';
import type { SimulationResult } from '../../lib/cli/simulate/simulation';
import { findKeys } from '../../lib/cli/simulate/target';
import type { AnswerPlan } from '../../lib/simulator/behavior';

function flagsOf(...args: readonly string[]) {
  const flags = parseFlags(['--config', 'x', ...args]);
  if (flags === 'help') throw new Error('unexpected');
  return flags;
}

const CALLS = ([5, 5, 3, 1] as const).map((priority: Priority, index): WorkCall => {
  const tokens = { promptTokens: 10, outputTokens: 5, maxTokens: 9, expectedOutputTokens: 5 };
  return { index, atMs: 0, ...tokens, priority, deadlineMs: 900, minQuality: 0, maxUsdPer1k: undefined };
});
const GOOD = { ok: true, endpoint: 'a', firstTokenMs: 100, totalMs: 400 };
const LATE = { ok: false, reason: 'late', endpoint: 'a', totalMs: 900 };

function providers(): VirtualProvider[] {
  return ['a', 'b'].map((name) => {
    const one = new VirtualProvider({ name, model: 'm', description: {} }, 1);
    one.attempts = 2;
    one.ends.answered = 1;
    one.ends.storm = 1;
    return one;
  });
}

function result(
  ends: readonly (CallOutcome | undefined)[],
  more: Partial<SimulationResult> = {},
): SimulationResult {
  const figures = figuresOf(CALLS, ends, providers());
  return { figures, digest: 'd', quotas: [], models: ['m'], unlimited: [], accounts: 2, alike: [], ...more };
}

const QUOTA = {
  endpoint: 'a',
  account: 'a',
  quota: 'tokens',
  per: 'minute',
  firstAtS: 7,
  share: 0.25,
} as const;

describe('The figures of a simulation', () => {
  it('count failed calls by reason, priority and endpoint, and calls without an end as unfinished', () => {
    const { figures } = result([GOOD, LATE, { ...LATE, endpoint: undefined }, undefined]);
    expect(figures).toMatchObject({
      goodput: 25,
      byPriority: { 5: 50, 4: 100, 3: 0, 2: 100, 1: 0 },
      failures: { late: 2, unfinished: 1 },
      failuresByPriority: { late: [0, 0, 1, 0, 1], unfinished: [1, 0, 0, 0, 0] },
      lostAt: { a: 1, '': 2 },
      attempts: 1_000,
      // Two attempts were answered, for one good answer.
      wastedBy: { answered: 1, storm: 2 },
    });
  });

  it('are complete for a run without calls', () => {
    expect(figuresOf([], [], [])).toMatchObject({
      goodput: 100,
      attempts: 0,
      usd: 0,
      p50Ms: NaN,
      failures: {},
      wastedBy: { answered: 0 },
    });
  });
});

describe('The report of simulate', () => {
  it('has a dash for the latencies if no call was answered, and says why calls failed, the most frequent reason first', () => {
    const ends = [LATE, { ...LATE, reason: 'refused' }, LATE, LATE];
    const text = formatReport(createReport(flagsOf('--model', 'm'), result(ends), undefined));
    expect(text).toMatch(/^model m\n4 calls in 300 s, 10 per second\n/);
    expect(text).toMatch(/^latency +p50 -, p95 -, p99 -; first token p50 -, p95 -$/m);
    expect(text).toMatch(/^429s +2 of 4 attempts$/m);
    expect(text).toMatch(/^failed +3 late, 1 refused$/m);
    expect(text).toMatch(/^No quota was exhausted: one more key would change nothing\.$/m);
  });

  it('names the quota that was exhausted first, and compares the run with one more key', () => {
    const run = result([GOOD, GOOD, LATE, LATE], { quotas: [QUOTA], models: ['m', 'n'] });
    const report = createReport(flagsOf('--spike', '4x'), run, result([GOOD, GOOD, GOOD, GOOD]));
    expect(report).toMatchObject({ firstExhausted: QUOTA, oneMoreKey: { endpoint: 'a' }, target: null });
    const text = formatReport(report);
    expect(text).toMatch(/^model auto: any of m, n; calls of your clients name one: --model m\n/);
    expect(text).toContain('2.5 per second; from second 60, 10 per second (4 times as many) for 90 s');
    expect(text).toContain('Exhausted first: tokens per minute of a, at second 7 and 25.0 % of the time.');
    expect(text).toContain('With one more key: goodput 50.0 % → 100.0 %, priority 5 100.0 % → 100.0 %,');
  });

  it('ends with the result of --target, without a line on one more key', async () => {
    const run = result([GOOD, GOOD, GOOD, GOOD], { unlimited: ['a'] });
    const target = await findKeys(90, run, () => Promise.reject(new Error('a run')));
    const text = formatReport(createReport(flagsOf('--target', '90'), run, undefined, target));
    expect(text).toMatch(/^no limit on: a \(neither rpm nor tpm\)\nYour keys are enough: 100\.0 % goodput/m);
    expect(text).not.toMatch(/one more key|failed/);
  });
});

describe('The report of simulate --replay', () => {
  const logged = { calls: 4, answered: 100, usdTotal: 0, p50Ms: 200, p95Ms: 300, failures: {} };
  const log = { startAtMs: 0, seconds: 60, leftOut: 3, logged };

  it('compares the log with one run, and says how many calls of the log are left out', () => {
    const run = result([GOOD, GOOD, LATE, { ...LATE, reason: 'refused' }], { unlimited: ['b'] });
    const text = formatReplayReport(createReplayReport(flagsOf('--replay', 'x'), log, run, undefined));
    expect(text).toMatch(
      /^4 calls in 60 s, from 1970-01-01T00:00:00\.000Z\n3 other calls of the log are left out: only chats are simulated\n\n +logged +simulated\n/,
    );
    expect(text).toMatch(/^answered +100\.0 % +50\.0 %$/m);
    expect(text).toMatch(/^ {2}failed +logged: none\n {2}failed +simulated: 1 late, 1 refused$/m);
    expect(text).toMatch(/^no limit on: b \(neither rpm nor tpm\)\nNo quota was exhausted\.\n$/m);
  });

  it('compares the runs with and without some endpoints', () => {
    const all = result([GOOD, GOOD, GOOD, GOOD]);
    const run = result([GOOD, GOOD, LATE, LATE], { quotas: [QUOTA] });
    const flags = flagsOf('--replay', 'x', '--without', 'c');
    const text = formatReplayReport(createReplayReport(flags, { ...log, leftOut: 0 }, run, all));
    expect(text).toMatch(/^4 calls in 60 s, from \S+; without c\n\n +logged +simulated +without 1\n/);
    expect(text).toMatch(/^answered +100\.0 % +100\.0 % +50\.0 %$/m);
    expect(text).toContain('Exhausted first: tokens per minute of a, at second 7 and 25.0 % of the time.');
  });
});

describe('The answers of simulated providers', () => {
  const plan = { promptTokens: 3, outputTokens: 4, finish: 'stop' } as AnswerPlan;
  const broken = { ...plan, damage: 'empty_choices' } as unknown as AnswerPlan;

  it('have about one word per token and the usage of the plan, and no choices if they are malformed', () => {
    expect(JSON.parse(answerText('m', plan))).toMatchObject({
      model: 'm',
      choices: [{ message: { content: 'word word word word ' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
    });
    expect(JSON.parse(answerText('m', broken))).toMatchObject({ choices: [] });
    const long = JSON.parse(answerText('m', { ...plan, outputTokens: 30_000 })) as {
      choices: { message: { content: string } }[];
    };
    expect(long.choices[0]?.message.content).toHaveLength(150_000);
  });

  it('begin with the role and end with the tokens that are left, the finish reason, the usage and [DONE]', () => {
    expect(chunkOf('m', 0, 1)).toContain('"delta":{"role":"assistant","content":"word "}');
    expect(chunkOf('m', 1, 2)).toContain('"delta":{"content":"word "}');
    const rest = closingOf('m', 2, plan);
    expect(rest).toMatch(
      /^data: .*"content":"word word "[^]*"finish_reason":"stop"[^]*"total_tokens":7[^]*data: \[DONE\]\n\n$/,
    );
    expect(closingOf('m', 4, plan)).not.toContain('content');
    expect(closingOf('m', 2, broken)).toMatch(/^data: .*"choices":\[\]\}\n\ndata: \[DONE\]\n\n$/);
  });
});
