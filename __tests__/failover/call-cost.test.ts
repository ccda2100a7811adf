import { CALL } from '../../lib/balancer/balancer';
import type { RouteReport } from '../../lib/call/report';
import { answer, BODY, error, Rig, rejection, silence, until } from './upstream';

const rig = new Rig();
const PRICE = { each: { a: { price: { input: 1, output: 1 } } } };

/** What one whole call is charged with. */
function gated(): {
  charged: (RouteReport | undefined)[];
  gate: { charge(call: unknown, route: unknown): void };
} {
  const charged: (RouteReport | undefined)[] = [];
  return { charged, gate: { charge: (_call, route) => void charged.push(route as RouteReport | undefined) } };
}

describe('what is charged for a call', () => {
  it('that was aborted while it was out is its prompt', async () => {
    const { balancer, upstream } = await rig.start({ a: silence }, PRICE);
    const { charged, gate } = gated();
    const caller = new AbortController();
    const left = rejection(balancer[CALL]('chat', BODY, { signal: caller.signal }, gate));
    await until(() => upstream.count('a') === 1);
    caller.abort();
    await left;
    expect(charged).toHaveLength(1);
    const { usage, costUsd } = charged[0]!;
    expect(usage!.prompt_tokens).toBeGreaterThan(0);
    expect(usage!.completion_tokens).toBe(0);
    expect(costUsd).toBeCloseTo(usage!.prompt_tokens / 1e6, 9);
  });

  it('that failed is told with its attempts and what they wasted', async () => {
    const { balancer } = await rig.start({ a: error(500, {}, { 'x-should-retry': 'false' }) }, PRICE);
    const { charged, gate } = gated();
    await rejection(balancer[CALL]('chat', BODY, {}, gate));
    expect(charged[0]).toMatchObject({ attempts: [{ endpoint: 'a', class: 'server' }] });
    expect(charged[0]!.wastedTokens).toBeGreaterThan(0);
    expect(charged[0]!.usage).toBeUndefined();
  });

  it('that others share is charged to one of them, the last one where all have left', async () => {
    const { balancer, upstream } = await rig.start(
      { a: (arrival) => (arrival.nth === 1 ? answer()(arrival) : undefined) },
      { ...PRICE, coalesce: true },
    );
    const body = { ...BODY, temperature: 0 };
    const { charged, gate } = gated();
    await Promise.all([1, 2].map(() => balancer[CALL]('chat', body, {}, gate)));
    expect(charged.map((route) => route?.usage?.total_tokens)).toEqual([15, undefined]);
    const callers = [1, 2].map(() => new AbortController());
    const left = callers.map(({ signal }) => rejection(balancer[CALL]('chat', body, { signal }, gate)));
    await until(() => upstream.count('a') === 2);
    for (const caller of callers) caller.abort();
    await Promise.all(left);
    expect(charged.slice(2).map((route) => (route?.usage?.prompt_tokens ?? 0) > 0)).toEqual([false, true]);
  });
});
