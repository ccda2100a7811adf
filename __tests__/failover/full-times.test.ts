import { type BalancerConfig, createBalancer } from 'express-ai-balancer';
import { pause } from '../helpers/async';
import { runInVirtualTime } from '../helpers/virtual-time';
import { answer, BODY, error, inSequence, type Responder, Upstream } from './upstream';

const closing: (() => Promise<void>)[] = [];

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
});

afterEach(async () => {
  for (const close of closing.splice(0)) await runInVirtualTime(close);
  jest.useRealTimers();
});

/** Endpoints in tiers, with every other option at its default. */
async function start(responders: Record<string, Responder>, config: Partial<BalancerConfig> = {}) {
  const upstream = await new Upstream(responders).listen();
  const balancer = createBalancer({
    logger: false,
    endpoints: Object.keys(responders).map((name, tier) => ({
      name,
      tier,
      model: 'm',
      baseURL: upstream.url(name),
      apiKey: 'sk-test',
    })),
    ...config,
  });
  closing.push(async () => {
    await balancer.close({ graceMs: 0 });
    await upstream.close();
  });
  return { balancer, upstream };
}

describe('With default settings and a deadline of 60 s', () => {
  it.each([
    ['', {}],
    [', with the retry budget spent', { retry: { budgetRatio: 0, budgetPerSecond: 0 } }],
  ])(
    'a call waits for a primary with a Retry-After of 4 s while the only other endpoint is down%s',
    async (_what, config) => {
      await runInVirtualTime(async () => {
        const { balancer, upstream } = await start(
          {
            primary: inSequence(error(429, {}, { 'retry-after': '4' }), answer('primary')),
            down: error(503),
          },
          config,
        );
        const { data, route } = await balancer.chat(BODY).withRoute();
        expect(data.choices[0]?.message.content).toBe('primary');
        const [first, second] = upstream.requests.filter(({ name }) => name === 'primary');
        expect(second!.at - first!.at).toBeGreaterThanOrEqual(4_000);
        expect(route.totalMs).toBeLessThan(6_000);
      });
    },
  );

  it('a server that answers 503 for 8 s while it loads its model serves the call', async () => {
    await runInVirtualTime(async () => {
      const from = performance.now();
      const { balancer } = await start({
        server: (arrival) =>
          (performance.now() - from < 8_000 ? error(503, { message: 'Loading model' }) : answer('loaded'))(
            arrival,
          ),
      });
      const { data, route } = await balancer.chat(BODY).withRoute();
      expect(data.choices[0]?.message.content).toBe('loaded');
      expect(route.attempts.slice(0, -1).every((attempt) => attempt.class === 'server')).toBe(true);
      expect(route.attempts.length).toBeLessThanOrEqual(5);
      expect(route.totalMs).toBeLessThan(20_000);
    });
  });

  it('20 calls to a server that serves one call per second are all served, and its breaker stays closed', async () => {
    await runInVirtualTime(async () => {
      let last: Promise<void> = Promise.resolve();
      const { balancer, upstream } = await start({
        server: (arrival) => {
          last = last.then(() => pause(1_000)).then(() => answer()(arrival));
        },
      });
      const states: string[] = [];
      balancer.on('breaker', ({ state }) => states.push(state));
      const calls = Array.from({ length: 20 }, (_, n) =>
        balancer.chat({ ...BODY, messages: [{ role: 'user', content: `question ${n}` }] }),
      );
      await Promise.all(calls);
      expect(states).toEqual([]);
      expect(upstream.requests).toHaveLength(20);
    });
  });

  it('a call that finds every breaker open waits for the first probe', async () => {
    await runInVirtualTime(async () => {
      let isDown = true;
      const down: Responder = (arrival) => (isDown ? error(500) : answer('back'))(arrival);
      const { balancer } = await start({ a: down, b: down });
      await Promise.allSettled(
        Array.from({ length: 12 }, (_, n) =>
          balancer.chat(
            { ...BODY, messages: [{ role: 'user', content: `question ${n}` }] },
            { timeoutMs: 600 },
          ),
        ),
      );
      expect(balancer.stats().endpoints.map(({ state }) => state)).toEqual(['open', 'open']);
      isDown = false;
      const { data, route } = await balancer.chat(BODY).withRoute();
      expect(data.choices[0]?.message.content).toBe('back');
      expect(route.waitMs).toBeGreaterThan(0);
      expect(route.totalMs).toBeLessThan(3_000);
    });
  });
});
