import type { QueuedCall } from '../../lib/queue/queued-call';
import { WaitQueue } from '../../lib/queue/wait-queue';
import { type CallOverrides, outcomeOf, queuedCall, TestBucket } from './test-bucket';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

function filled(bucket: TestBucket, calls: number, overrides: CallOverrides = {}, maxSize = 10_000) {
  const queue = new WaitQueue<TestBucket>({ maxSize, maxBytes: Infinity });
  for (let i = 0; i < calls; i++) queue.waitForSlot(queuedCall([bucket], overrides)).catch(() => undefined);
  return queue;
}

test('WaitQueue: a call that the backlog would delay past its deadline is shed on entry, and a call with enough time is admitted', async () => {
  const bucket = new TestBucket(1, 10_000, 0);
  const queue = filled(bucket, 20);
  const start = performance.now();
  const call = (slack: number, serviceMs = 0) =>
    queuedCall([bucket], { deadlineAt: start + slack, serviceMs });
  const short = outcomeOf(queue.waitForSlot(call(19_900)));
  expect(queue.size).toBe(20);
  expect(await short).toMatchObject({ at: start, code: 'ERR_AI_SATURATED', retryAfterMs: 21_000 });
  const slow = await outcomeOf(queue.waitForSlot(call(25_000, 6000)));
  expect(slow).toMatchObject({ at: start, code: 'ERR_AI_SATURATED' });
  void outcomeOf(queue.waitForSlot(call(22_000, 1000)));
  expect(queue.size).toBe(21);
  queue.rejectAll(new Error('done'));
});

test('WaitQueue: less dense calls do not count towards the estimated wait of a new call', async () => {
  const bucket = new TestBucket(1, 10_000, 0);
  const queue = filled(bucket, 20, { priority: 2 });
  const end = outcomeOf(queue.waitForSlot(queuedCall([bucket], { deadlineAt: performance.now() + 1100 })));
  await jest.advanceTimersByTimeAsync(1100);
  expect(await end).toMatchObject({ started: true });
  queue.rejectAll(new Error('done'));
});

test('WaitQueue: a tenant with few calls is admitted and starts in time although many calls of another tenant wait', async () => {
  const bucket = new TestBucket(1, 10_000, 0);
  const queue = filled(bucket, 100, { tenant: 'greedy' });
  const call = (tenant: string, slackMs: number) =>
    queuedCall([bucket], { tenant, deadlineAt: performance.now() + slackMs });
  expect(await outcomeOf(queue.waitForSlot(call('greedy', 50_000)))).toMatchObject({
    code: 'ERR_AI_SATURATED',
  });
  const modest = [1, 2].map((n) => outcomeOf(queue.waitForSlot(call('modest', n * 2_100))));
  // Its third call would start only after two further turns of the other tenant.
  expect(await outcomeOf(queue.waitForSlot(call('modest', 4_000)))).toMatchObject({
    code: 'ERR_AI_SATURATED',
  });
  await jest.advanceTimersByTimeAsync(4_200);
  expect(await Promise.all(modest)).toMatchObject([{ started: true }, { started: true }]);
  queue.rejectAll(new Error('done'));
});

test('WaitQueue: waiting calls of a higher priority count towards the estimated wait of every tenant', () => {
  const bucket = new TestBucket(1, 10_000, 0);
  const queue = filled(bucket, 100, { tenant: 'greedy', priority: 5 });
  const low = queuedCall([bucket], { tenant: 'modest', priority: 1, deadlineAt: performance.now() + 50_000 });
  expect(queue.shedError(low)).toMatchObject({ code: 'ERR_AI_SATURATED' });
  queue.rejectAll(new Error('done'));
});

test('WaitQueue: a backlog that can also use other quotas counts in proportion to the refill it gets from the shared quota', () => {
  const here = new TestBucket(1, 10_000, 0);
  const elsewhere = new TestBucket(9, 10_000, 0);
  const queue = new WaitQueue<TestBucket>({ maxSize: 100, maxBytes: Infinity });
  const wide = () => queuedCall([here, elsewhere], { poolKey: 'wide' });
  for (let i = 0; i < 20; i++) queue.waitForSlot(wide()).catch(() => undefined);
  const narrow = (overrides: CallOverrides = {}) => queuedCall([here], { poolKey: 'narrow', ...overrides });
  const isShed = (call: QueuedCall<TestBucket>, slackMs: number) =>
    queue.shedError({ ...call, deadlineAt: performance.now() + slackMs }) !== undefined;
  for (const call of [wide(), narrow()]) {
    expect(isShed(call, 1990)).toBe(true);
    expect(isShed(call, 2010)).toBe(false);
  }
  expect(isShed(narrow({ priority: 5 }), 1)).toBe(false);
  queue.rejectAll(new Error('done'));
});

test('WaitQueue: a call that was shed on entry succeeds when retried after retryAfterMs, but not after half of it', async () => {
  const bucket = new TestBucket(3, 10_000, 0);
  const queue = filled(bucket, 50, { promptTokens: 1700 });
  const again = () =>
    outcomeOf(
      queue.waitForSlot(
        queuedCall([bucket], { deadlineAt: performance.now() + 500, serviceMs: 300, promptTokens: 1700 }),
      ),
    );
  const { retryAfterMs } = await again();
  expect(retryAfterMs).toBeGreaterThan(25_000);
  await jest.advanceTimersByTimeAsync(retryAfterMs! / 2);
  expect(await again()).toMatchObject({ code: 'ERR_AI_SATURATED' });
  await jest.advanceTimersByTimeAsync(Math.ceil(retryAfterMs! / 2));
  const retried = again();
  await jest.advanceTimersByTimeAsync(500);
  expect(await retried).toMatchObject({ started: true });
});

test('WaitQueue: a waiting call is shed as soon as the time left before its deadline is less than its service time', async () => {
  const bucket = new TestBucket(1e-6, 10_000, 0);
  const queue = new WaitQueue<TestBucket>({ maxSize: 10, maxBytes: Infinity });
  const start = performance.now();
  const call = queuedCall([bucket], {
    deadlineAt: start + 5000,
    serviceMs: 2000,
    tryStart: () => ({ kind: 'waiting', waitMs: Infinity }),
  });
  const end = outcomeOf(queue.waitForSlot(call));
  await jest.advanceTimersByTimeAsync(3100);
  const { at, code } = await end;
  expect(code).toBe('ERR_AI_SATURATED');
  expect(at - start).toBeGreaterThan(3000);
  expect(at - start).toBeLessThanOrEqual(3021);
});

test('WaitQueue: a call whose own wait exceeds its deadline is shed at once, with that wait as retryAfterMs', async () => {
  const bucket = new TestBucket(1, 10_000, 0);
  const queue = new WaitQueue<TestBucket>({ maxSize: 10, maxBytes: Infinity });
  const start = performance.now();
  const end = await outcomeOf(queue.waitForSlot(queuedCall([bucket], { deadlineAt: start + 900 })));
  expect(end).toMatchObject({ at: start, code: 'ERR_AI_SATURATED', retryAfterMs: 1000 });
});

test('WaitQueue: a deadline that passes while the event loop is blocked is reported as ERR_AI_DEADLINE', async () => {
  const bucket = new TestBucket(1, 10_000, 0);
  const queue = filled(bucket, 1, { priority: 5, promptTokens: 200 });
  const end = outcomeOf(queue.waitForSlot(queuedCall([bucket], { deadlineAt: performance.now() + 1500 })));
  await jest.advanceTimersByTimeAsync(5);
  const stalledFor = 2000;
  jest.setSystemTime(Date.now() + stalledFor);
  const real = performance.now.bind(performance);
  const stalled = jest.spyOn(performance, 'now').mockImplementation(() => real() + stalledFor);
  await jest.advanceTimersByTimeAsync(1000);
  stalled.mockRestore();
  expect(await end).toMatchObject({ started: false, code: 'ERR_AI_DEADLINE' });
  queue.rejectAll(new Error('done'));
});

describe('WaitQueue at maxSize', () => {
  test('evicts the least dense call, whether it is new or already waiting', async () => {
    const bucket = new TestBucket(1, 10_000, 0);
    const queue = new WaitQueue<TestBucket>({ maxSize: 2, maxBytes: Infinity });
    const normal = outcomeOf(queue.waitForSlot(queuedCall([bucket])));
    const low = outcomeOf(queue.waitForSlot(queuedCall([bucket], { priority: 1 })));
    const high = outcomeOf(queue.waitForSlot(queuedCall([bucket], { priority: 5 })));
    expect(await low).toMatchObject({ code: 'ERR_AI_SATURATED', retryAfterMs: 3000 });
    const lowAgain = await outcomeOf(queue.waitForSlot(queuedCall([bucket], { priority: 1 })));
    expect(lowAgain).toMatchObject({ code: 'ERR_AI_SATURATED', retryAfterMs: 3000 });
    expect(queue.size).toBe(2);
    await jest.advanceTimersByTimeAsync(3000);
    expect([(await normal).started, (await high).started]).toEqual([true, true]);
  });

  test('evicts the newest of equally dense calls', async () => {
    const bucket = new TestBucket(1, 10_000, 0);
    const queue = filled(bucket, 3, {}, 3);
    expect(await outcomeOf(queue.waitForSlot(queuedCall([bucket])))).toMatchObject({
      code: 'ERR_AI_SATURATED',
    });
    expect(queue.size).toBe(3);
    queue.rejectAll(new Error('done'));
  });

  test('evicts calls of the tenant that floods the queue, not the few larger calls of another tenant', async () => {
    const bucket = new TestBucket(1, 10_000, 0);
    const queue = filled(bucket, 100, { tenant: 'flood', promptTokens: 100 }, 100);
    const victim = outcomeOf(
      queue.waitForSlot(queuedCall([bucket], { tenant: 'victim', promptTokens: 5000 })),
    );
    for (let i = 0; i < 200; i++) {
      queue.waitForSlot(queuedCall([bucket], { tenant: 'flood', promptTokens: 50 })).catch(() => undefined);
    }
    expect(queue.size).toBe(100);
    await jest.advanceTimersByTimeAsync(40_000);
    expect(await victim).toMatchObject({ started: true });
    queue.rejectAll(new Error('done'));
  });
});
