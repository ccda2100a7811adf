import { type QueueChange, WaitQueue, type WaitQueueOptions } from '../../lib/queue/wait-queue';
import { type CallOverrides, outcomeOf, queuedCall, TestBucket } from './test-bucket';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

function setUp(options: Partial<WaitQueueOptions> = {}, tokensPerMs = 1) {
  const changes: QueueChange[] = [];
  const queue = new WaitQueue<TestBucket>({
    maxSize: 10_000,
    maxBytes: Infinity,
    onChange: (change) => changes.push(change),
    ...options,
  });
  const bucket = new TestBucket(tokensPerMs, 10_000, 0);
  const call = (overrides: CallOverrides = {}) => queuedCall([bucket], overrides);
  const enter = (overrides: CallOverrides = {}) => outcomeOf(queue.waitForSlot(call(overrides)));
  return { queue, bucket, changes, call, enter };
}

describe('WaitQueue reports', () => {
  test('that it has grown to 1, 10 and 100 calls, and again after it was empty', () => {
    const { queue, changes, enter } = setUp();
    const growth = (calls: number): QueueChange[] => {
      changes.length = 0;
      for (let n = 0; n < calls; n++) void enter();
      return changes;
    };
    const grown = (size: number) => ({ change: 'growing', size });
    expect(growth(9)).toStrictEqual([grown(1)]);
    expect(growth(1)).toStrictEqual([grown(10)]);
    expect(growth(110)).toStrictEqual([grown(100)]);
    queue.rejectAll(new Error('done'));
    expect(growth(10)).toStrictEqual([grown(1), grown(10)]);
    queue.rejectAll(new Error('done'));
  });

  test('a shed call with its priority, its tenant and when to retry, and the size without it', async () => {
    const { queue, changes, enter } = setUp({ maxSize: 1 });
    void enter({ priority: 4 });
    void enter({ priority: 2, tenant: 'a' });
    void enter({ priority: 5 });
    await jest.advanceTimersByTimeAsync(0);
    expect(changes).toStrictEqual([
      { change: 'growing', size: 1 },
      { change: 'shed', size: 1, priority: 2, tenant: 'a', retryAfterMs: 2000 },
      { change: 'shed', size: 1, priority: 4, retryAfterMs: 2000 },
    ]);
    queue.rejectAll(new Error('done'));
  });

  test('a shed call without a time to retry if its quota never refills', async () => {
    const { queue, changes, enter } = setUp({ maxSize: 1 }, 0);
    void enter();
    const shed = await enter({ priority: 2, tenant: 'a' });
    expect(changes[1]).toStrictEqual({ change: 'shed', size: 1, priority: 2, tenant: 'a' });
    expect(shed.retryAfterMs).toBeUndefined();
    queue.rejectAll(new Error('done'));
  });
});

describe('WaitQueue: the retryAfterMs of a refused call', () => {
  test('is at least the time until a call of its pool could start', async () => {
    const { queue, enter } = setUp({ maxSize: 1 }, 1000);
    const opensAt = performance.now() + 5000;
    void enter({ tryStart: () => ({ kind: 'waiting', waitMs: opensAt - performance.now() }) });
    await jest.advanceTimersByTimeAsync(2000);
    expect(await enter()).toMatchObject({ code: 'ERR_AI_SATURATED', retryAfterMs: 3000 });
    queue.rejectAll(new Error('done'));
  });

  test('is the estimated wait if it is unknown when a call of its pool could start', async () => {
    const { queue, enter } = setUp({ maxSize: 1 });
    void enter({ tryStart: () => ({ kind: 'waiting', waitMs: Infinity }) });
    await jest.advanceTimersByTimeAsync(500);
    expect(await enter()).toMatchObject({ code: 'ERR_AI_SATURATED', retryAfterMs: 2000 });
    queue.rejectAll(new Error('done'));
  });
});

describe('WaitQueue.shedError', () => {
  test('is undefined while no call waits, whatever the deadline and the size of the body', () => {
    const { queue, call } = setUp({ maxBytes: 1000 });
    expect(queue.shedError(call({ deadlineAt: performance.now() - 1 }))).toBeUndefined();
    expect(queue.shedError(call({ bodyBytes: 1001 }))).toBeUndefined();
  });

  test('states the calls ahead and the call itself as the time to retry', () => {
    const { queue, call, enter } = setUp();
    for (let n = 0; n < 20; n++) void enter();
    const startsIn = (ms: number) => queue.shedError(call({ deadlineAt: performance.now() + ms }));
    expect(startsIn(19_999)).toMatchObject({
      code: 'ERR_AI_SATURATED',
      message: 'the calls ahead leave no quota before the deadline; retry after 21000 ms',
      retryAfterMs: 21_000,
    });
    expect(startsIn(20_000)).toBeUndefined();
    expect(queue.size).toBe(20);
    queue.rejectAll(new Error('done'));
  });

  test('is that of a full queue for a call that would be evicted, and undefined for a denser one', () => {
    const { queue, call, enter } = setUp({ maxSize: 3 });
    for (let n = 0; n < 3; n++) void enter();
    expect(queue.shedError(call({ priority: 2 }))).toMatchObject({
      code: 'ERR_AI_SATURATED',
      message: 'the wait queue is full (3 calls); retry after 4000 ms',
      retryAfterMs: 4000,
    });
    expect(queue.shedError(call({ priority: 4 }))).toBeUndefined();
    expect(queue.byPriority()[3]).toBe(3);
    queue.rejectAll(new Error('done'));
  });
});

describe('WaitQueue: a refused call', () => {
  test('evicts none, if even the evictions would not make room for its body', async () => {
    const { queue, enter } = setUp({ maxSize: 10, maxBytes: 1000 });
    void enter({ bodyBytes: 200, priority: 1 });
    void enter({ bodyBytes: 700, priority: 5 });
    expect(await enter({ bodyBytes: 400, priority: 3 })).toMatchObject({ code: 'ERR_AI_SATURATED' });
    expect(queue.byPriority()).toEqual({ 1: 1, 2: 0, 3: 0, 4: 0, 5: 1 });
    queue.rejectAll(new Error('done'));
  });

  test('leaves no pool behind: the next call under its key may use other resources', async () => {
    const { queue, bucket, enter } = setUp({ maxBytes: 1000 });
    const other = new TestBucket(1, 10_000, 0);
    expect(await enter({ bodyBytes: 1001 })).toMatchObject({ code: 'ERR_AI_SATURATED' });
    expect(queue.isWaitedFor(bucket)).toBe(false);
    void enter({ resources: [other] });
    expect([queue.isWaitedFor(bucket), queue.isWaitedFor(other)]).toEqual([false, true]);
    queue.rejectAll(new Error('done'));
    expect(queue.isWaitedFor(other)).toBe(false);
  });
});
