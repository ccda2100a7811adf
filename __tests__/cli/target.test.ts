import { alikeAccounts } from '../../lib/cli/simulate/more-keys';
import { Progress } from '../../lib/cli/simulate/progress';
import type { SimulationResult } from '../../lib/cli/simulate/simulation';
import { findKeys, formatTarget } from '../../lib/cli/simulate/target';

/** A run whose goodput is `goodput`, with `account` as the quota that runs out first. */
function result(goodput: number, account?: string, alike: string[][] = []): SimulationResult {
  const figures = { goodput, byPriority: { 5: 100 }, p95Ms: 1000, usd: 1, failures: { ERR_AI_SATURATED: 3 } };
  return {
    figures,
    accounts: 3,
    alike,
    quotas: account === undefined ? [] : [{ account }],
  } as unknown as SimulationResult;
}

/** As much goodput as the scarcer of two accounts allows: `a` needs 6 keys, `b` needs 3. */
function run({ a = 0, b = 0 }: Readonly<Record<string, number>>): SimulationResult {
  const [shareOfA, shareOfB] = [Math.min(1, (a + 1) / 6), Math.min(1, (b + 1) / 3)];
  return result(100 * Math.min(shareOfA, shareOfB), shareOfA < shareOfB ? 'a' : 'b');
}

describe('simulate --target', () => {
  it('finds the smallest number of keys for every account that runs out, and repeats no run', async () => {
    const runs: string[] = [];
    const found = await findKeys(99, run({}), (keys) => {
      runs.push(JSON.stringify(keys));
      return Promise.resolve(run(keys));
    });
    expect(found).toMatchObject({ keys: { a: 6, b: 3 }, isReached: true, stoppedBy: null });
    expect(new Set(runs).size).toBe(runs.length);
    expect(formatTarget(found).join('\n')).toMatch(
      /^Keys for 99 % goodput: 6 keys in place of 1 for a \(\+5\) and 3 keys in place of 1 for b \(\+2\); the others unchanged: goodput 100\.0 %, .*\nTried: the keys of the configuration 16\.7 %, /,
    );
  });

  it('counts the keys of accounts that are alike together', async () => {
    const both = (keys: Readonly<Record<string, number>>) =>
      Promise.resolve({ ...run(keys), alike: [['a', 'b']] });
    const found = await findKeys(99, await both({}), both);
    expect(found.keys).toEqual({ a: 6, b: 3 });
    const [outcome, tried] = formatTarget(found);
    expect(outcome).toContain(
      '9 keys like a and b in place of 2 (+7); the others unchanged: goodput 100.0 %',
    );
    expect(tried).toMatch(/^Tried: the keys of the configuration 16\.7 %, 3 like a /);
  });

  it('takes accounts as alike that differ only in names and keys', () => {
    const endpoint = { model: 'm', rpm: 60 };
    const endpoints = [
      { ...endpoint, name: 'first', apiKey: 'k1' },
      { ...endpoint, name: 'second', apiKey: () => 'k2' },
      { ...endpoint, name: 'larger', rpm: 90 },
      { ...endpoint, name: 'g1', quotaGroup: 'one' },
      { ...endpoint, name: 'g2', quotaGroup: 'two' },
      { ...endpoint, name: 'g3', quotaGroup: 'three' },
    ];
    const quotaGroups = { one: { rpm: 10 }, two: { rpm: 10 }, three: { rpm: 20 } };
    expect(alikeAccounts({ endpoints, quotaGroups })).toEqual([
      ['first', 'second'],
      ['g1', 'g2'],
    ]);
  });

  it('makes no further run if the keys of the configuration suffice', async () => {
    const found = await findKeys(90, result(95, 'a'), () => Promise.reject(new Error('a run')));
    expect(formatTarget(found)[0]).toMatch(
      /^Your keys are enough: 95\.0 % goodput \(90 % asked for\), priority 5 100\.0 %/,
    );
  });

  it('explains why a run with more keys may have a lower goodput', async () => {
    const goodputs = [50, 90, 80, 100];
    const found = await findKeys(99, result(50, 'a'), ({ a = 0 }) =>
      Promise.resolve(result(goodputs[Math.log2(a + 1)] ?? 100, 'a')),
    );
    expect(formatTarget(found).at(-1)).toMatch(
      /^4 of a gave less than 2 of a: .* drawn at random; .*--seed 2/,
    );
  });

  it('stops, with the reason, if no quota is exhausted or 64 keys are reached', async () => {
    const none = await findKeys(99, result(50), () => Promise.resolve(result(50)));
    expect(none).toMatchObject({ isReached: false, tried: [expect.anything()] });
    expect(formatTarget(none)[0]).toMatch(
      /is not reached with the keys of the configuration, because of another reason than quotas.*failed: 3 ERR_AI_SATURATED/,
    );
    let run = 0;
    const accounts = await findKeys(99, result(50, 'a'), () => Promise.resolve(result(50, `key-${run++}`)));
    expect(accounts).toMatchObject({ isReached: false, stoppedBy: 'the maximum of 24 runs' });
    expect(accounts.tried).toHaveLength(24);
    const never = await findKeys(99, result(50, 'a'), () => Promise.resolve(result(50, 'a')));
    expect(never).toMatchObject({ keys: { a: 64 }, isReached: false, stoppedBy: 'the maximum of 64 keys' });
  });
});

describe('The progress of a simulation', () => {
  it('is shown on a terminal, and cleared before the report', () => {
    const write = jest.fn<boolean, [string]>(() => true);
    const progress = new Progress({ isTTY: true, write });
    progress.start()(0.5);
    progress.start();
    progress.end();
    const shown = write.mock.calls.map(([text]) => text.replace('\r\x1b[K', ''));
    expect(shown).toEqual(['run 1: 0 % simulated', 'run 1: 50 % simulated', 'run 2: 0 % simulated', '']);
  });

  it('is not written to a file or a pipe, which only gets one line per run', () => {
    const write = jest.fn<boolean, [string]>(() => true);
    const progress = new Progress({ isTTY: false, write });
    progress.start()(0.5);
    progress.end();
    expect(write).not.toHaveBeenCalled();
    progress.line('2 keys in place of 1 for a (+1): goodput 91.0 %');
    expect(write.mock.calls).toEqual([['run 1: 2 keys in place of 1 for a (+1): goodput 91.0 %\n']]);
  });
});
