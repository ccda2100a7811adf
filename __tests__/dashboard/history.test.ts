import { aiDashboard, type Balancer, type BalancerEvents, type RouteReport } from 'express-ai-balancer';
import { DashboardRig } from './fixtures/dashboard';

type CallEvent = BalancerEvents['call'][0];

interface Status {
  totals: { callsPerMinute: number; failedPerMinute: number; usdPerMinute: number; p95Ms: number | null };
  endpoints: { name: string; share: number; attemptsPerMinute: number; usdPerMinute: number }[];
  history: Record<'ok' | 'failed' | 'shed' | 'usd', number[]> & { p95Ms: (number | null)[] };
  calls: { number: number; outcome: string; requestId: string }[];
}

const rig = new DashboardRig();
const MINUTE = 60_000;

/** A dashboard whose balancer emits events without real calls, on a clock in the test's hand. */
async function open(): Promise<{ balancer: Balancer; status: () => Promise<Status> }> {
  const { url, balancer } = await rig.open();
  return { balancer, status: async () => (await (await fetch(`${url}/stats.json`)).json()) as Status };
}

function ended(balancer: Balancer, event: Partial<CallEvent> = {}): void {
  balancer.emit('call', {
    requestId: 'r',
    operation: 'chat',
    stream: false,
    endpoint: 'main',
    provider: 'openai',
    model: 'gpt-4o',
    type: 'chat',
    priority: 3,
    startedAt: 0,
    estimatedTokens: { input: 10, output: 10 },
    wastedTokens: 0,
    wastedUsd: 0,
    waitMs: 0,
    ms: 100,
    attempts: 1,
    failed: event.code !== undefined,
    ...event,
  });
}

function routeWith(more: Partial<RouteReport>): RouteReport {
  return {
    requestId: 'r',
    endpoint: 'main',
    provider: 'openai',
    model: 'gpt-4o',
    attempts: [],
    waitMs: 0,
    totalMs: 100,
    wastedTokens: 0,
    why: [],
    ...more,
  };
}

const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);

describe('The history of the dashboard', () => {
  beforeEach(() => jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] }));
  afterEach(() => jest.useRealTimers());

  it('counts answered, failed and shed calls for 15 minutes, but not aborted ones', async () => {
    const { balancer, status } = await open();
    ended(balancer);
    ended(balancer, { code: 'ERR_AI_ALL_FAILED' });
    ended(balancer, { code: 'ERR_AI_SATURATED' });
    ended(balancer, { code: 'ERR_AI_ABORTED' });
    const { history, totals } = await status();
    expect([sum(history.ok), sum(history.failed), sum(history.shed)]).toEqual([1, 1, 1]);
    expect(totals).toMatchObject({ callsPerMinute: 3, failedPerMinute: 2 });

    jest.advanceTimersByTime(14 * MINUTE);
    const later = await status();
    expect(sum(later.history.ok)).toBe(1);
    expect(later.totals).toMatchObject({ callsPerMinute: 0, failedPerMinute: 0, p95Ms: null });

    // The place of an old bucket is used again, empty.
    jest.advanceTimersByTime(MINUTE + 5_000);
    ended(balancer);
    const after = await status();
    expect([sum(after.history.ok), sum(after.history.failed)]).toEqual([1, 0]);
    expect(after.history.ok.at(-1)).toBe(1);
  });

  it.each([1, 37, 900, 12_345, 240_000])(
    'shows a p95 of %d ms with an error of at most 10 per cent',
    async (p95) => {
      const { balancer, status } = await open();
      for (let at = 1; at <= 100; at++)
        ended(balancer, { ms: at <= 94 ? p95 / 50 : at === 95 ? p95 : p95 * 3 });
      const { totals, history } = await status();
      for (const shown of [totals.p95Ms, history.p95Ms.at(-1)]) {
        expect(Math.abs((shown as number) - p95)).toBeLessThanOrEqual(Math.max(1, 0.1 * p95));
      }
    },
  );

  it('sums up US dollars in total and for each endpoint', async () => {
    const { balancer, status } = await open();
    for (let call = 0; call < 4; call++) {
      ended(balancer, { route: routeWith({ costUsd: 0.25 }) });
      balancer.emit('attempt', {
        requestId: 'r',
        endpoint: 'main',
        provider: 'openai',
        model: 'gpt-4o',
        ms: 100,
      });
    }
    const { totals, endpoints } = await status();
    expect(totals.usdPerMinute).toBe(1);
    // Rates of endpoints are those of the last 30 seconds.
    expect(endpoints).toMatchObject([{ name: 'main', share: 1, attemptsPerMinute: 8, usdPerMinute: 2 }]);
    jest.advanceTimersByTime(35_000);
    expect((await status()).endpoints).toMatchObject([{ share: 0, attemptsPerMinute: 0, usdPerMinute: 0 }]);
  });

  it('counts an attempt whose stream broke off once, and shows the time to the first content', async () => {
    const { balancer, status } = await open();
    const attempt = {
      requestId: 'r',
      endpoint: 'main',
      provider: 'openai',
      model: 'gpt-4o',
      ms: 100,
    } as const;
    balancer.emit('attempt', attempt);
    balancer.emit('attempt', { ...attempt, class: 'connection', brokeOff: true });
    ended(balancer, { route: routeWith({ firstTokenMs: 7 }) });
    ended(balancer);
    const { endpoints, calls } = await status();
    expect(endpoints).toMatchObject([{ attemptsPerMinute: 2, failuresPerMinute: 2 }]);
    expect(calls).toMatchObject([{ firstTokenMs: 7 }, {}]);
    expect(calls[1]).not.toHaveProperty('firstTokenMs');
  });

  it('shows the endpoints that were considered in the order of their scores', async () => {
    const { balancer, status } = await open();
    const why = [{ endpoint: 'b', score: 2 }, { endpoint: 'c' }, { endpoint: 'a', score: 1 }];
    ended(balancer, { route: routeWith({ why }) });
    const [call] = (await status()).calls as unknown as { why: { endpoint: string }[] }[];
    expect(call?.why.map(({ endpoint }) => endpoint)).toEqual(['c', 'a', 'b']);
  });

  it('keeps only the last 20 calls of each outcome', async () => {
    const { balancer, status } = await open();
    const failed = { endpoint: 'main', model: 'gpt-4o', class: 'server', ms: 5 } as const;
    for (let call = 0; call < 1_000; call++) {
      ended(balancer, { route: routeWith({}), requestId: 'x'.repeat(5_000) });
      if (call % 10 === 0) ended(balancer, { route: routeWith({ attempts: [failed] }) });
      if (call % 50 === 0) ended(balancer, { code: 'ERR_AI_ALL_FAILED' });
    }
    const { calls } = await status();
    const count = (outcome: string) => calls.filter((call) => call.outcome === outcome).length;
    expect([count('served'), count('rerouted'), count('failed')]).toEqual([20, 20, 20]);
    expect(Math.max(...calls.map(({ requestId }) => requestId.length))).toBe(100);
    const numbers = calls.map(({ number }) => number);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  });

  it('shows a call even if its strategy fails to explain the choice', async () => {
    const { balancer, status } = await open();
    const route = Object.defineProperty(routeWith({}), 'why', {
      get: () => {
        throw new Error('not any more');
      },
    });
    ended(balancer, { route });
    expect((await status()).calls).toMatchObject([{ outcome: 'served', why: [] }]);
  });

  it('is shared by all dashboards of a balancer', async () => {
    const { balancer } = await open();
    aiDashboard(balancer, { authorize: false });
    expect(balancer.listenerCount('call')).toBe(1);
  });
});
