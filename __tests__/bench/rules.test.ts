import { boundOf } from '../../bench/policy/bound';
import { RULES } from '../../bench/policy/rules';
import { fleetOf, planOf, SCENARIOS } from '../../bench/policy/scenarios';
import { meanAndError } from '../../bench/policy/table';
import { VirtualProvider } from '../../lib/cli/simulate/engine/virtual-provider';
import type { Fault } from '../../lib/simulator/behavior';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test.each([...RULES.keys()])(
  'bench:policy: the rule %s serves calls when no endpoint fails',
  async (name) => {
    const plan = planOf('steady', 1, true);
    const providers = plan.providers.map(
      (options, index) => new VirtualProvider({ ...options, errorShare: 0 }, index),
    );
    const policy = RULES.get(name)!(fleetOf('steady'), providers);
    const ends = plan.calls.slice(0, 20).map((call) => policy.serve(call));
    await jest.advanceTimersByTimeAsync(200_000);
    const served = await Promise.all(ends);
    expect(served.filter(({ ok }) => ok).length).toBeGreaterThan(17);
  },
);

test.each([...RULES.keys()])(
  'bench:policy: the rule %s ends a call by its deadline if no endpoint answers',
  async (name) => {
    const plan = planOf('steady', 1, true);
    const providers = plan.providers.map((options, index) => new VirtualProvider(options, index));
    for (const provider of providers) provider.addFault({ kind: 'silence' }, 1e9);
    const policy = RULES.get(name)!(fleetOf('steady'), providers);
    const [call] = plan.calls;
    const since = performance.now();
    const end = policy.serve(call!).then(({ ok }) => ({ ok, ms: performance.now() - since }));
    await jest.advanceTimersByTimeAsync(call!.deadlineMs + 1_000);
    const { ok, ms } = await end;
    expect(ok).toBe(false);
    expect(ms).toBeLessThan(call!.deadlineMs + 50);
    expect(providers.every(({ ends }) => ends.unfinished === 0)).toBe(true);
  },
);

test('planOf: plans with the same seed are equal, and their calls are in the order of arrival', () => {
  for (const scenario of SCENARIOS) {
    const plan = planOf(scenario, 4, true);
    expect(planOf(scenario, 4, true)).toEqual(plan);
    expect(planOf(scenario, 5, true).calls).not.toEqual(plan.calls);
    const times = plan.calls.map(({ atMs }) => atMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  }
});

test('boundOf: the bound is 100 % if all calls fit the limits, and lower if they need more tokens', () => {
  expect(boundOf(planOf('steady', 1, true), fleetOf('steady')).goodput).toBe(100);
  const plan = planOf('steady', 1, true);
  const overloaded = {
    ...plan,
    calls: plan.calls.map((call) => ({ ...call, promptTokens: 20_000, atMs: 0, deadlineMs: 60_000 })),
  };
  const { goodput, weighted, priority5 } = boundOf(overloaded, fleetOf('steady'));
  expect(goodput).toBeLessThan(60);
  expect(weighted).toBeGreaterThan(goodput);
  expect(priority5).toBeGreaterThan(weighted);
});

test('table: a metric is shown with its standard error', () => {
  expect(meanAndError([1, 2, 3], 2)).toBe('2.00 ± 0.58');
  expect(meanAndError([1.5], 1)).toBe('1.5');
});

test.each([...RULES.keys()])(
  'bench:policy: the rule %s makes no second attempt after a malformed answer or a 400',
  async (name) => {
    const plan = planOf('steady', 1, true);
    const serve = async (fault: Fault) => {
      const providers = plan.providers.map((options, index) => new VirtualProvider(options, index));
      for (const provider of providers) provider.addFault(fault, 1e9);
      const end = RULES.get(name)!(fleetOf('steady'), providers).serve(plan.calls[0]!);
      await jest.advanceTimersByTimeAsync(60_000);
      const attempts = providers.reduce((sum, provider) => sum + provider.attempts, 0);
      return { attempts, ...(await end) };
    };
    expect(await serve({ kind: 'bad_answer', form: 'empty_choices' })).toMatchObject({
      ok: false,
      attempts: 1,
    });
    expect(await serve({ kind: 'error', status: 400 })).toMatchObject({ ok: false, attempts: 1 });
  },
);
