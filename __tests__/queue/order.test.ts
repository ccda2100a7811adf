import fc from 'fast-check';
import type { Priority } from '../../lib/call/context';
import { density } from '../../lib/queue/value-density';
import { type Resource, WaitQueue } from '../../lib/queue/wait-queue';
import { type CallOverrides, queuedCall, TestBucket } from './test-bucket';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

function queueOf(maxSize = 10_000) {
  return new WaitQueue<TestBucket>({ maxSize, maxBytes: Infinity });
}

/** Enqueues all calls at once and returns their names in the order in which they start. */
async function orderOf(calls: Record<string, CallOverrides>, buckets: TestBucket[]): Promise<string[]> {
  const queue = queueOf();
  const order: string[] = [];
  for (const [name, overrides] of Object.entries(calls)) {
    void queue.waitForSlot(queuedCall(buckets, overrides)).then(() => order.push(name));
  }
  await jest.advanceTimersByTimeAsync(120_000);
  expect(queue.size).toBe(0);
  return order;
}

test('value density is 2.5^(priority-1) per token, and calls below 200 tokens count as 200', () => {
  expect(density(5, 900, 100)).toBe(2.5 ** 4 / 1000);
  expect(density(1, 10, 10)).toBe(1 / 200);
  expect(density(3, Infinity, 0)).toBeGreaterThan(0);
});

test('WaitQueue: the densest call starts first, and equally dense calls start in order of arrival', async () => {
  const order = await orderOf(
    {
      low: { priority: 1 },
      first: {},
      second: {},
      high: { priority: 5 },
      small: { promptTokens: 300 },
      large: { priority: 5, promptTokens: 7000 },
    },
    [new TestBucket(1, 9000, 0)],
  );
  expect(order).toEqual(['high', 'small', 'first', 'second', 'large', 'low']);
});

test('WaitQueue: random calls of one pool and tenant start in order of value density', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          priority: fc.integer({ min: 1, max: 5 }),
          promptTokens: fc.integer({ min: 1, max: 9000 }),
        }),
        {
          maxLength: 30,
        },
      ),
      async (specs) => {
        const queue = queueOf();
        const bucket = new TestBucket(10, 10_000, 0);
        const densities: number[] = [];
        for (const spec of specs) {
          const priority = spec.priority as Priority;
          const call = queuedCall([bucket], { ...spec, priority });
          void queue
            .waitForSlot(call)
            .then(() => densities.push(density(priority, call.promptTokens, call.outputTokens)));
        }
        await jest.advanceTimersByTimeAsync(60_000);
        expect(densities).toHaveLength(specs.length);
        expect(densities).toEqual([...densities].sort((a, b) => b - a));
      },
    ),
    { numRuns: 50 },
  );
});

test('WaitQueue: a stream of small calls of lower density cannot starve a large call of the same quota', async () => {
  const queue = queueOf();
  const bucket = new TestBucket(1, 10_000, 0);
  const order: string[] = [];
  const large = queuedCall([bucket], { priority: 5, promptTokens: 7000 });
  void queue.waitForSlot(large).then(() => order.push('large'));
  for (let i = 0; i < 80; i++) {
    const small = queuedCall([bucket], { priority: 1, promptTokens: 100, outputTokens: 600 });
    void queue.waitForSlot(small).then(() => order.push('small'));
    await jest.advanceTimersByTimeAsync(100);
  }
  expect(order[0]).toBe('large');
  await jest.advanceTimersByTimeAsync(120_000);
  expect(order).toHaveLength(81);
});

test('WaitQueue: a blocked call holds only one quota, and smaller calls start on the others', async () => {
  const slow = new TestBucket(1, 10_000, 0);
  const idle = new TestBucket(1, 400, 400);
  const queue = queueOf();
  const order: string[] = [];
  const large = queuedCall([slow], { poolKey: 'slow', priority: 5, promptTokens: 5000 });
  void queue.waitForSlot(large).then(() => order.push('large'));
  const small = queuedCall([slow, idle], { poolKey: 'both', promptTokens: 300 });
  void queue
    .waitForSlot(small)
    .then((bucket) => order.push(bucket === idle ? 'small on idle' : 'small on slow'));
  await jest.advanceTimersByTimeAsync(10);
  expect(order).toEqual(['small on idle']);
  await jest.advanceTimersByTimeAsync(10_000);
  expect(order).toEqual(['small on idle', 'large']);
});

test('WaitQueue: calls that wait for an exhausted quota do not delay calls for an idle quota', async () => {
  const queue = queueOf();
  const full = new TestBucket(0.001, 10_000, 0);
  const idle = new TestBucket(100, 100_000);
  for (let i = 0; i < 200; i++) {
    queue.waitForSlot(queuedCall([full], { poolKey: 'full', priority: 5 })).catch(() => undefined);
  }
  expect(queue.mustWait(density(1, 900, 100), idle)).toBe(false);
  const started = jest.fn();
  void queue.waitForSlot(queuedCall([idle], { poolKey: 'idle', priority: 1 })).then(started);
  await jest.advanceTimersByTimeAsync(20);
  expect(started).toHaveBeenCalledTimes(1);
  queue.rejectAll(new Error('done'));
});

test('WaitQueue: a call that can use an idle quota overtakes denser calls of its pool that cannot', async () => {
  const queue = queueOf();
  const full = new TestBucket(0.001, 10_000, 0);
  const idle = new TestBucket(100, 100_000);
  // Dense calls for which the endpoint of the idle quota is too slow: they can only use the exhausted quota.
  for (let i = 0; i < 4; i++) {
    const picky = queuedCall([full, idle], {
      priority: 5,
      tryStart: (isHeld) => ({ kind: 'waiting', waitMs: 1e6, ...(!isHeld(full) && { on: full }) }),
    });
    queue.waitForSlot(picky).catch(() => undefined);
  }
  const started = jest.fn();
  void queue.waitForSlot(queuedCall([full, idle], { priority: 5, promptTokens: 2000 })).then(started);
  void queue.waitForSlot(queuedCall([full, idle], { priority: 2 })).then(started);
  await jest.advanceTimersByTimeAsync(20);
  expect(started).toHaveBeenCalledTimes(2);
  queue.rejectAll(new Error('done'));
});

describe('WaitQueue.mustWait', () => {
  test('a new call waits only behind denser and equally dense calls that could use the quota', () => {
    const queue = queueOf();
    const shared = new TestBucket(1, 1000, 0);
    const other = new TestBucket(1, 1000, 0);
    queue.waitForSlot(queuedCall([shared], { poolKey: 'shared' })).catch(() => undefined);
    expect(queue.mustWait(density(3, 900, 100), shared)).toBe(true);
    expect(queue.mustWait(density(2, 900, 100), shared)).toBe(true);
    expect(queue.mustWait(density(4, 900, 100), shared)).toBe(false);
    expect(queue.mustWait(density(1, 900, 100), other)).toBe(false);
    queue.rejectAll(new Error('done'));
    expect(queue.mustWait(density(1, 900, 100), shared)).toBe(false);
  });

  test('with tenant fairness, a denser call of another tenant does not overtake waiting calls of its priority', () => {
    const queue = queueOf();
    const bucket = new TestBucket(1, 10_000, 0);
    queue.waitForSlot(queuedCall([bucket], { tenant: 'large', promptTokens: 5000 })).catch(() => undefined);
    const small = density(3, 100, 100);
    expect(queue.mustWait(small, bucket)).toBe(false);
    expect(queue.mustWait(small, bucket, { priority: 3, tenant: 'flood' })).toBe(true);
    expect(queue.mustWait(small, bucket, { priority: 3, tenant: 'large' })).toBe(false);
    expect(queue.mustWait(small, bucket, { priority: 4, tenant: 'flood' })).toBe(false);
    queue.rejectAll(new Error('done'));
  });
});

test('WaitQueue: no call of a pool is tried while all its resources are closed, and the calls start once one opens', async () => {
  const queue = queueOf();
  const opensAt = performance.now() + 5_000;
  let tries = 0;
  const started: Priority[] = [];
  const buckets = [new TestBucket(1, 9_000)];
  for (const priority of [2, 5, 3] as const) {
    const call = queuedCall(buckets, { priority, onTry: () => tries++ });
    const closedMs = (_resource: Resource, now: number): number => Math.max(0, opensAt - now);
    void queue.waitForSlot({ ...call, closedMs }).then(() => started.push(priority));
  }
  for (let n = 0; n < 40; n++) {
    queue.wake();
    await jest.advanceTimersByTimeAsync(100);
  }
  expect(tries).toBe(0);
  await jest.advanceTimersByTimeAsync(1_100);
  expect(started).toEqual([5, 3, 2]);
});
