import { INTERNALS } from '../../lib/balancer/internals';
import type { CallHooks } from '../../lib/call/call-hooks';
import type { RouteReport } from '../../lib/route-report';
import { answer, BODY, error, Rig, rejection, silence, until } from './upstream';

const rig = new Rig();
const PRICE = { each: { a: { price: { input: 1, output: 1 } } } };

/** Records the usage reported for each call. */
function recordUsage(): { routes: (RouteReport | undefined)[]; hooks: CallHooks } {
  const routes: (RouteReport | undefined)[] = [];
  return { routes, hooks: { onUsage: (_call, route) => void routes.push(route) } };
}

describe('The usage reported for a call', () => {
  it.each([false, true])(
    'that is aborted during its attempt is its prompt (streamed: %s)',
    async (stream) => {
      const { balancer, upstream } = await rig.start({ a: silence }, PRICE);
      const { routes, hooks } = recordUsage();
      const caller = new AbortController();
      const left = rejection(
        balancer[INTERNALS].call('chat', { ...BODY, stream }, { signal: caller.signal }, hooks),
      );
      await until(() => upstream.count('a') === 1);
      caller.abort();
      await left;
      expect(routes).toHaveLength(1);
      const { usage, costUsd } = routes[0]!;
      expect(usage!.prompt_tokens).toBeGreaterThan(0);
      expect(usage!.completion_tokens).toBe(0);
      expect(costUsd).toBeCloseTo(usage!.prompt_tokens / 1e6, 9);
    },
  );

  it('that failed contains its attempts and the tokens that they wasted', async () => {
    const { balancer } = await rig.start({ a: error(500, {}, { 'x-should-retry': 'false' }) }, PRICE);
    const { routes, hooks } = recordUsage();
    await rejection(balancer[INTERNALS].call('chat', BODY, {}, hooks));
    expect(routes[0]).toMatchObject({ attempts: [{ endpoint: 'a', class: 'server' }] });
    expect(routes[0]!.wastedTokens).toBeGreaterThan(0);
    expect(routes[0]!.usage).toBeUndefined();
  });

  it('that several callers share goes to one of them: to the last to leave if all leave', async () => {
    const { balancer, upstream } = await rig.start(
      { a: (arrival) => (arrival.nth === 1 ? answer()(arrival) : undefined) },
      { ...PRICE, coalesce: true },
    );
    const body = { ...BODY, temperature: 0 };
    const { routes, hooks } = recordUsage();
    await Promise.all([1, 2].map(() => balancer[INTERNALS].call('chat', body, {}, hooks)));
    expect(routes.map((route) => route?.usage?.total_tokens)).toEqual([15, undefined]);
    const callers = [1, 2].map(() => new AbortController());
    const left = callers.map(({ signal }) =>
      rejection(balancer[INTERNALS].call('chat', body, { signal }, hooks)),
    );
    await until(() => upstream.count('a') === 2);
    for (const caller of callers) caller.abort();
    await Promise.all(left);
    expect(routes.slice(2).map((route) => (route?.usage?.prompt_tokens ?? 0) > 0)).toEqual([false, true]);
  });
});
