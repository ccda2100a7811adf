import type { AiBalancerError } from 'express-ai-balancer';
import { startProvider } from 'express-ai-balancer/simulator';
import { RetryBudget } from '../../lib/failover/retry-budget';
import {
  answer,
  BODY,
  chatText,
  endStream,
  error,
  Rig,
  rejection,
  startStream,
  statsOf,
  until,
} from './upstream';

const rig = new Rig();

async function provider(ttftMs: number) {
  const started = await startProvider({ errorShare: 0, models: { m: { ttftMs, msPerOutputToken: 0.1 } } });
  rig.use(() => started.close());
  return started;
}

describe('A server that dies abruptly', () => {
  it.each([false, true])('in the middle of 100 calls loses none of them (streamed: %s)', async (stream) => {
    const [dying, spare] = [await provider(40), await provider(5)];
    const { balancer } = await rig.start(
      {},
      {
        strategy: 'weighted',
        more: [
          { name: 'dying', model: 'm', baseURL: dying.url, weight: 3 },
          { name: 'spare', model: 'm', baseURL: spare.url },
        ],
      },
    );
    const calls: Promise<unknown>[] = [];
    for (let n = 0; n < 100; n++) {
      calls.push(stream ? balancer.chat({ ...BODY, stream: true }) : balancer.chat(BODY));
      if (n === 60) dying.fault({ kind: 'refuse' });
      if (n % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const ended = await Promise.allSettled(calls);
    expect(ended.filter(({ status }) => status === 'rejected')).toEqual([]);
    // By now it may have been let through to be probed, and that failed or goes on.
    expect(statsOf(balancer, 'dying').state).not.toBe('closed');
    expect(statsOf(balancer, 'spare').state).toBe('closed');
  });

  it('is probed one call at a time and used again after its recovery', async () => {
    const [dying, spare] = [await provider(1), await provider(1)];
    const { balancer } = await rig.start(
      {},
      {
        breaker: { resetTimeoutMs: 60, maxResetTimeoutMs: 120, rampMs: 0 },
        more: [
          { name: 'dying', model: 'm', baseURL: dying.url },
          { name: 'spare', model: 'm', baseURL: spare.url, tier: 1 },
        ],
      },
    );
    const outage = dying.fault({ kind: 'err5xx' });
    await Promise.all(Array.from({ length: 10 }, () => chatText(balancer, false)));
    const before = dying.stats().seen;
    const states: string[] = [];
    balancer.on('breaker', ({ endpoint, state }) => endpoint === 'dying' && states.push(state));
    const end = performance.now() + 700;
    while (performance.now() < end || dying.stats().seen - before < 3)
      await Promise.all([1, 2, 3, 4].map(() => chatText(balancer, false)));
    const probes = dying.stats().seen - before;
    expect(probes).toBeGreaterThanOrEqual(3);
    // One for each time it half-opened, however many calls there were.
    expect(probes).toBeLessThanOrEqual(states.filter((state) => state === 'half-open').length + 1);
    await outage.end();
    await until(() => statsOf(balancer, 'dying').state !== 'open');
    // The first call through it is the probe.
    await chatText(balancer, false);
    await until(() => statsOf(balancer, 'dying').state === 'closed');
    expect((await chatText(balancer, false)).route.endpoint).toBe('dying');
  });
});

describe('A breaker', () => {
  it('is opened by streams that break off and closed by the first token of a stream', async () => {
    let healthy = false;
    const { balancer, upstream } = await rig.start(
      {
        a: (arrival) => {
          startStream(arrival, 'One');
          if (!healthy) setTimeout(() => arrival.res.socket?.destroy(), 2);
        },
        b: answer(),
      },
      { breaker: { consecutiveFailures: 3, resetTimeoutMs: 1_500 } },
    );
    for (let n = 0; n < 3; n++) {
      await expect(chatText(balancer, true)).rejects.toMatchObject({ code: 'ERR_AI_STREAM_BROKEN' });
    }
    expect(statsOf(balancer, 'a').state).toBe('open');
    expect((await chatText(balancer, true)).route.endpoint).toBe('b');
    healthy = true;
    await until(() => statsOf(balancer, 'a').state === 'half-open');
    const stream = await balancer.chat({ ...BODY, stream: true });
    expect(statsOf(balancer, 'a')).toMatchObject({ state: 'closed', inFlight: 1 });
    endStream(upstream.requests.at(-1)!);
    for await (const chunk of stream) expect(chunk).toBeDefined();
    expect(statsOf(balancer, 'a')).toMatchObject({ failures: 0, inFlight: 0 });
  });

  it.each([
    ['an abort', undefined],
    ['a 429', error(429, {}, { 'retry-after-ms': '1' })],
    ['an error of the caller', error(400)],
  ])('stays open when its probe ends with %s', async (_what, play) => {
    let healing = false;
    const { balancer, upstream } = await rig.start(
      { a: (arrival) => (healing ? play?.(arrival) : error(500)(arrival)), b: answer() },
      { breaker: { consecutiveFailures: 1, resetTimeoutMs: 2_000, maxResetTimeoutMs: 2_000 } },
    );
    await chatText(balancer, false);
    healing = true;
    await until(() => statsOf(balancer, 'a').state === 'half-open');
    const caller = new AbortController();
    const ended = balancer.chat(BODY, { signal: caller.signal }).then(
      () => undefined,
      () => undefined,
    );
    await until(() => upstream.count('a') === 2);
    if (!play) caller.abort();
    await ended;
    expect(statsOf(balancer, 'a').state).toBe('open');
  });

  it('that is open at every endpoint until after the deadline causes an error with the time of the first probe', async () => {
    const { balancer } = await rig.start(
      { a: error(500) },
      { breaker: { consecutiveFailures: 1, resetTimeoutMs: 20_000 }, retry: { maxAttempts: 1 } },
    );
    await rejection(balancer.chat(BODY));
    const startedAt = performance.now();
    const failed = (await rejection(balancer.chat(BODY, { timeoutMs: 5_000 }))) as AiBalancerError;
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    expect(failed).toMatchObject({ code: 'ERR_AI_UNAVAILABLE', status: 503, retryable: true });
    expect(failed.retryAfterMs).toBeGreaterThan(10_000);
    expect(failed.retryAfterMs).toBeLessThanOrEqual(20_000);
  });
});

describe('An outage of every endpoint', () => {
  it('costs at most 0.2 retries per call, plus 10 per second, plus the initial budget', async () => {
    const plays = Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, error(503)]));
    const { balancer, upstream } = await rig.start(plays, {
      retry: { budgetRatio: 0.2, budgetPerSecond: 10, baseDelayMs: 1, maxDelayMs: 2 },
      // Longer than the deadline, so that no call waits for a probe once the failure rate has opened the breakers.
      breaker: { consecutiveFailures: 100_000, resetTimeoutMs: 300_000, maxResetTimeoutMs: 300_000 },
    });
    const from = performance.now();
    const calls = 1_000;
    for (let n = 0; n < calls / 20; n++) {
      await Promise.allSettled(Array.from({ length: 20 }, () => balancer.chat(BODY, { timeoutMs: 300 })));
    }
    const seconds = (performance.now() - from) / 1_000;
    const saved = 200;
    // Moving on to what has not failed lately is free: that is once for each endpoint, and those in flight with it.
    const free = 4 * 20;
    expect(upstream.requests.length).toBeLessThanOrEqual(1.2 * calls + 10 * seconds + saved + free);
    const failed = (await rejection(balancer.chat(BODY, { timeoutMs: 300 }))) as AiBalancerError;
    expect(failed.code).toMatch(/ERR_AI_ALL_FAILED|ERR_AI_UNAVAILABLE|ERR_AI_DEADLINE/);
  });
});

describe('RetryBudget', () => {
  beforeEach(() => {
    jest.useFakeTimers({ now: 0 });
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  const drain = (budget: RetryBudget): number => {
    let taken = 0;
    for (; taken < 10_000 && !budget.isSpent; taken++) budget.take();
    return taken;
  };

  it('is full at the start and holds at most 200 retries', () => {
    const budget = new RetryBudget({ budgetRatio: 0.2, budgetPerSecond: 10 });
    for (let n = 0; n < 5_000; n++) budget.onCall();
    jest.advanceTimersByTime(600_000);
    expect(drain(budget)).toBe(200);
  });

  it('grows by budgetRatio per call and by budgetPerSecond', () => {
    const budget = new RetryBudget({ budgetRatio: 0.2, budgetPerSecond: 10 });
    drain(budget);
    for (let n = 0; n < 100; n++) budget.onCall();
    expect(drain(budget)).toBeCloseTo(20, -0.5);
    jest.advanceTimersByTime(3_000);
    expect(drain(budget)).toBe(30);
  });

  it('takes nothing when it is spent, so that it is never in debt', () => {
    const budget = new RetryBudget({ budgetRatio: 0.2, budgetPerSecond: 10 });
    drain(budget);
    for (let n = 0; n < 50; n++) budget.take();
    jest.advanceTimersByTime(1_000);
    expect(drain(budget)).toBe(10);
  });

  it('with a ratio and a rate of 0 allows no retry', () => {
    const budget = new RetryBudget({ budgetRatio: 0, budgetPerSecond: 0 });
    for (let n = 0; n < 100; n++) budget.onCall();
    jest.advanceTimersByTime(60_000);
    expect(drain(budget)).toBe(0);
  });
});
