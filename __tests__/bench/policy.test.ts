import type { BenchResult } from '../../bench/policy/run-all';
import { run } from '../cli/run';

const BENCH = 'bench/policy.ts';

interface Output {
  readonly results: readonly BenchResult[];
  readonly bounds: Readonly<Record<string, readonly { readonly goodput: number }[]>>;
}

async function bench(...args: readonly string[]): Promise<Output> {
  const { code, out } = await run(BENCH, '--quick', '--json', ...args);
  expect(code).toBe(0);
  return JSON.parse(out) as Output;
}

test('bench:policy: all policies get the same calls, and this package causes hardly any 429', async () => {
  const { results, bounds } = await bench(
    '--policies',
    'adaptive,other:round-robin',
    '--scenarios',
    'flash50',
  );
  const [ours, theirs] = ['adaptive', 'other:round-robin'].map(
    (policy) => results.find(({ job }) => job.policy === policy)!.figures,
  );
  expect(ours!.calls).toBe(theirs!.calls);
  expect(ours!.calls).toBeGreaterThan(500);
  expect(ours!.goodput).toBeGreaterThan(theirs!.goodput);
  expect(ours!.usd).toBeLessThan(theirs!.usd);
  expect(ours!.goodput).toBeLessThanOrEqual(bounds.flash50![0]!.goodput + 0.5);
  // The package counts tokens, so no call is refused with 429.
  expect(ours!.violations).toBeLessThan(5);
});

test('bench:policy: a run is reproducible', async () => {
  const { results } = await bench('--policies', 'adaptive,adaptive', '--scenarios', 'codeburst');
  expect(results).toHaveLength(2);
  expect(results[1]!.digest).toBe(results[0]!.digest);
  expect(results[1]!.figures).toEqual(results[0]!.figures);
});

test('bench:policy: an invalid option is rejected with an error that names it', async () => {
  expect(await run(BENCH, '--seeds', '0')).toMatchObject({
    code: 2,
    err: expect.stringContaining('--seeds') as string,
  });
  expect((await run(BENCH, '--policies', 'best')).err).toContain("got 'best'");
});
