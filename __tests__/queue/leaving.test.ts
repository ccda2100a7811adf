import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import type { Priority } from '../../lib/call/context';
import { AiBalancerError } from '../../lib/errors';
import { WaitQueue } from '../../lib/queue/wait-queue';
import { outcomeOf, queuedCall, TestBucket } from './test-bucket';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

function abortListeners(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}

/** Whether a call with this signal and deadline may be rejected with this code. */
function isExpected(code: string | undefined, signal: AbortSignal, deadlineAt: number): boolean {
  if (code === 'ERR_AI_ABORTED') return signal.aborted;
  if (code === 'ERR_AI_DEADLINE') return performance.now() >= deadlineAt;
  return code === 'ERR_AI_SATURATED';
}

function abortable() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

test('WaitQueue: a call whose caller aborts leaves the queue at once and keeps no abort listener', async () => {
  const queue = new WaitQueue<TestBucket>({ maxSize: 10, maxBytes: Infinity });
  const { signal, abort } = abortable();
  const end = outcomeOf(queue.waitForSlot(queuedCall([new TestBucket(1, 10_000, 0)], { signal })));
  expect(abortListeners(signal)).toBe(1);
  abort();
  expect(queue.size).toBe(0);
  expect(abortListeners(signal)).toBe(0);
  expect(await end).toMatchObject({ started: false, code: 'ERR_AI_ABORTED' });
  expect(jest.getTimerCount()).toBe(0);
});

test('WaitQueue: a call that is already aborted or past its deadline is rejected without waiting', async () => {
  const queue = new WaitQueue<TestBucket>({ maxSize: 10, maxBytes: Infinity });
  const bucket = new TestBucket(1, 10_000, 10_000);
  const aborted = outcomeOf(queue.waitForSlot(queuedCall([bucket], { signal: AbortSignal.abort() })));
  const late = outcomeOf(queue.waitForSlot(queuedCall([bucket], { deadlineAt: performance.now() })));
  expect(queue.size).toBe(0);
  expect(await aborted).toMatchObject({ code: 'ERR_AI_ABORTED' });
  expect(await late).toMatchObject({ code: 'ERR_AI_DEADLINE' });
});

test('WaitQueue: a started call keeps no abort listener and no timer', async () => {
  const queue = new WaitQueue<TestBucket>({ maxSize: 10, maxBytes: Infinity });
  const { signal } = abortable();
  await queue.waitForSlot(queuedCall([new TestBucket(1, 10_000, 10_000)], { signal }));
  expect(abortListeners(signal)).toBe(0);
  expect(jest.getTimerCount()).toBe(0);
});

test('WaitQueue: if the signal aborts during tryStart, a slot that was taken reaches the caller; without a slot the call is rejected as aborted', async () => {
  const queue = new WaitQueue<TestBucket>({ maxSize: 10, maxBytes: Infinity });
  const bucket = new TestBucket(1, 10_000, 10_000);
  const { signal, abort } = abortable();
  await expect(queue.waitForSlot(queuedCall([bucket], { signal, onTry: abort }))).resolves.toBe(bucket);
  const blocked = abortable();
  const call = queuedCall([new TestBucket(1, 10_000, 0)], { signal: blocked.signal, onTry: blocked.abort });
  const second = new WaitQueue<TestBucket>({ maxSize: 10, maxBytes: Infinity });
  await expect(second.waitForSlot(call)).rejects.toMatchObject({ code: 'ERR_AI_ABORTED', status: 499 });
  expect([queue.size, second.size]).toEqual([0, 0]);
});

test('WaitQueue: rejectAll() rejects every waiting call with the given error and leaves no timer or listener', async () => {
  const queue = new WaitQueue<TestBucket>({ maxSize: 100, maxBytes: Infinity });
  const { signal } = abortable();
  const ends = Array.from({ length: 10 }, (_, i) =>
    queue.waitForSlot(
      queuedCall([new TestBucket(1, 10_000, 0)], {
        signal,
        poolKey: `pool ${i % 3}`,
        priority: (1 + (i % 5)) as Priority,
      }),
    ),
  );
  expect(queue.byPriority()).toEqual({ 1: 2, 2: 2, 3: 2, 4: 2, 5: 2 });
  const error = new AiBalancerError('ERR_AI_CLOSED', 'closing', { status: 503 });
  queue.rejectAll(error);
  const results = await Promise.allSettled(ends);
  expect(results.every((end) => end.status === 'rejected' && end.reason === error)).toBe(true);
  expect([queue.size, abortListeners(signal), jest.getTimerCount()]).toEqual([0, 0, 0]);
});

test('WaitQueue: a call that is hopeless, or whose tryStart throws, is rejected with that error and does not block others', async () => {
  const queue = new WaitQueue<TestBucket>({ maxSize: 10, maxBytes: Infinity });
  const bucket = new TestBucket(1, 10_000, 10_000);
  const error = new Error('larger than any limit');
  const hopeless = queuedCall([bucket], { priority: 5, tryStart: () => ({ kind: 'hopeless', error }) });
  const broken = queuedCall([bucket], {
    priority: 4,
    tryStart: () => {
      throw new TypeError('broken');
    },
  });
  const ends = [
    queue.waitForSlot(hopeless),
    queue.waitForSlot(broken),
    queue.waitForSlot(queuedCall([bucket], { priority: 1 })),
  ];
  const [first, second, third] = await Promise.allSettled(ends);
  expect(first).toEqual({ status: 'rejected', reason: error });
  expect(second).toMatchObject({ status: 'rejected', reason: { message: 'broken' } });
  expect(third).toEqual({ status: 'fulfilled', value: bucket });
});

test('WaitQueue: wake() drains the queue within the same tick, but at most every 20 ms', async () => {
  const queue = new WaitQueue<TestBucket>({ maxSize: 10, maxBytes: Infinity });
  const bucket = new TestBucket(1e-6, 10_000, 0);
  const tries: number[] = [];
  const start = performance.now();
  const call = queuedCall([bucket], { onTry: () => void tries.push(performance.now() - start) });
  const slot = queue.waitForSlot(call);
  await Promise.resolve();
  for (let i = 0; i < 100; i++) {
    queue.wake();
    await jest.advanceTimersByTimeAsync(1);
  }
  expect(tries).toEqual([0, 20, 40, 60, 80, 100]);
  bucket.refund(5000);
  await jest.advanceTimersByTimeAsync(50);
  queue.wake();
  await expect(slot).resolves.toBe(bucket);
});

test('WaitQueue: a waiting call starts when its quota has refilled, without wake() and with a single timer', async () => {
  const queue = new WaitQueue<TestBucket>({ maxSize: 10, maxBytes: Infinity });
  const bucket = new TestBucket(1, 10_000, 0);
  const start = performance.now();
  const end = outcomeOf(queue.waitForSlot(queuedCall([bucket])));
  await jest.advanceTimersByTimeAsync(5);
  expect(jest.getTimerCount()).toBe(1);
  await jest.advanceTimersByTimeAsync(2000);
  expect((await end).at - start).toBeGreaterThanOrEqual(1000);
  expect((await end).at - start).toBeLessThanOrEqual(1021);
});

test('WaitQueue: for random calls, aborts and wakes, every call ends once, none starts after its deadline, and no timer or listener remains', async () => {
  const event = fc.record({
    gap: fc.integer({ min: 0, max: 120 }),
    pool: fc.integer({ min: 0, max: 3 }),
    priority: fc.integer({ min: 1, max: 5 }),
    tenant: fc.integer({ min: 0, max: 2 }),
    tokens: fc.integer({ min: 1, max: 6000 }),
    slack: fc.option(fc.integer({ min: 0, max: 3000 })),
    serviceMs: fc.integer({ min: 0, max: 500 }),
    abortAfter: fc.option(fc.integer({ min: 0, max: 1500 })),
    wakes: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 60 }), async (events) => {
      const queue = new WaitQueue<TestBucket>({ maxSize: 12, maxBytes: Infinity });
      const a = new TestBucket(4, 8000, 0);
      const b = new TestBucket(2, 4000, 0);
      const c = new TestBucket(1, 1000, 500);
      const pools = [[a], [a, b], [b, c], [a, b, c]];
      const signals: AbortSignal[] = [];
      let ends = 0;
      let late = 0;
      const unexpected: unknown[] = [];
      for (const { gap, pool, priority, tenant, tokens, slack, serviceMs, abortAfter, wakes } of events) {
        const controller = new AbortController();
        signals.push(controller.signal);
        const deadlineAt = slack === null ? Infinity : performance.now() + slack;
        const call = queuedCall(pools[pool]!, {
          poolKey: `${pool}`,
          priority: priority as Priority,
          tenant: `${tenant}`,
          promptTokens: tokens,
          deadlineAt,
          serviceMs,
          signal: controller.signal,
        });
        void outcomeOf(queue.waitForSlot(call)).then(({ at, started, code }) => {
          ends += 1;
          if (started && at > deadlineAt) late += 1;
          if (!started && !isExpected(code, controller.signal, deadlineAt)) unexpected.push(code);
        });
        expect(queue.size).toBeLessThanOrEqual(12);
        if (abortAfter !== null) setTimeout(() => controller.abort(), abortAfter);
        if (wakes) queue.wake();
        await jest.advanceTimersByTimeAsync(gap);
      }
      await jest.advanceTimersByTimeAsync(120_000);
      expect({ ends, late, size: queue.size }).toEqual({ ends: events.length, late: 0, size: 0 });
      expect(unexpected).toEqual([]);
      expect(signals.map(abortListeners).every((count) => count === 0)).toBe(true);
      expect(jest.getTimerCount()).toBe(0);
      for (const bucket of [a, b, c]) expect(queue.mustWait(0, bucket)).toBe(false);
    }),
    { numRuns: 100 },
  );
});

test.each<[string, unknown, string]>([
  ['an Error', new Error('broken'), 'broken'],
  ['a string', 'broken', 'broken'],
])(
  'WaitQueue: a call whose start throws %s leaves the queue with an Error',
  async (_what, thrown, message) => {
    const queue = new WaitQueue<TestBucket>({ maxSize: 10, maxBytes: Infinity });
    const bucket = new TestBucket(1, 10_000, 0);
    const end = queue.waitForSlot(
      queuedCall([bucket], {
        onTry: () => {
          throw thrown;
        },
      }),
    );
    const failure = end.then(
      () => undefined,
      (error: unknown) => error,
    );
    await jest.advanceTimersByTimeAsync(2_000);
    const error = await failure;
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toBe(message);
    expect(queue.size).toBe(0);
  },
);
