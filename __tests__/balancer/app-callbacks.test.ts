import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BalancerConfig, Logger } from 'express-ai-balancer';
import { answer, BODY, chatText, error, Rig, rejection, statsOf } from '../failover/upstream';

const rig = new Rig();

const FAILURES: readonly [how: string, fail: () => never][] = [
  ['throws an Error', () => fail(new Error('of the app'))],
  ['throws undefined', () => fail(undefined)],
  ['throws a string', () => fail('route')],
];

const ASYNC_FAILURES: readonly [how: string, fail: () => Promise<never>][] = [
  ['rejects', () => Promise.reject(new Error('of the app'))],
  // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what an app may do
  ['rejects with undefined', () => Promise.reject(undefined)],
];

function fail(reason: unknown): never {
  throw reason;
}

describe.each(FAILURES)('A function of the configuration that %s,', (_how, failing) => {
  it.each<[string, Partial<BalancerConfig>]>([
    ['estimateTokens', { estimateTokens: failing }],
    ['classify', { classify: failing }],
    ['a strategy', { strategy: { name: 'own', pick: failing } }],
  ])('such as %s, makes its call reject with an Error and leaves no attempt slot', async (_name, config) => {
    const { balancer, upstream } = await rig.start({ a: answer() }, config);
    for (const stream of [false, true]) {
      expect(await rejection(chatText(balancer, stream, { timeoutMs: 2_000 }))).toBeInstanceOf(Error);
    }
    expect(upstream.requests).toHaveLength(0);
    expect(statsOf(balancer, 'a').inFlight).toBe(0);
    expect(balancer.stats()).toMatchObject({ calls: { ok: 0 }, queue: { size: 0 } });
  });

  it('such as apiKey, makes the call move to another endpoint', async () => {
    const { balancer } = await rig.start({ a: answer(), b: answer() }, { each: { a: { apiKey: failing } } });
    expect((await chatText(balancer, false)).route.endpoint).toBe('b');
    expect(statsOf(balancer, 'a').inFlight).toBe(0);
  });
});

it('A call to an endpoint whose apiKey function never settles fails at its deadline and leaves no attempt slot', async () => {
  const { balancer } = await rig.start(
    { a: answer(), b: answer() },
    { each: { a: { apiKey: () => new Promise<string>(() => undefined) } }, timeouts: { totalMs: 300 } },
  );
  const failed = await rejection(balancer.chat(BODY, { endpoint: 'a', timeoutMs: 200 }));
  expect(failed).toMatchObject({ code: 'ERR_AI_DEADLINE' });
  expect(statsOf(balancer, 'a').inFlight).toBe(0);
});

describe.each([...FAILURES, ...ASYNC_FAILURES])('A listener or logger that %s', (_how, failing) => {
  it('makes no call fail and causes no unhandled rejection, and its failures are counted', async () => {
    const unhandled = jest.fn();
    process.on('unhandledRejection', unhandled);
    const log = failing as Logger['warn'];
    const { balancer } = await rig.start(
      { a: error(401), b: answer() },
      { logger: { debug: log, info: log, warn: log, error: log } },
    );
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- what an app may do
    for (const event of ['call', 'attempt'] as const) balancer.on(event, failing);
    expect((await chatText(balancer, false)).text).toBe('Hello');
    await nextTurn();
    await nextTurn();
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
    // A warning; and of two attempts and a call the listener, the line about it, and the line of their own.
    expect(balancer.stats().listenerFailures).toBe(10);
  });
});

it('A route report that the app keeps does not keep the body of its call in memory', async () => {
  const { balancer } = await rig.start({ a: error(500), b: answer() }, { each: { b: { tags: ['x'] } } });
  const bodies: WeakRef<object>[] = [];
  const routes = [];
  for (let call = 0; call < 12; call++) {
    const body = { ...BODY, messages: [{ role: 'user', content: 'x'.repeat(1_000) }] };
    bodies.push(new WeakRef(body));
    routes.push((await balancer.chat(body, { tags: ['x'] }).withRoute()).route);
  }
  await collectGarbage();
  // The last calls may still be held by their sockets.
  expect(bodies.filter((body) => body.deref() !== undefined).length).toBeLessThanOrEqual(3);
  for (const { why } of routes) {
    expect(why).toContainEqual({ endpoint: 'a', removedBy: expect.stringContaining('tag') as string });
  }
});

async function collectGarbage(): Promise<void> {
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  for (let round = 0; round < 5; round++) {
    await nextTurn();
    (runInNewContext('gc') as () => void)();
  }
}
