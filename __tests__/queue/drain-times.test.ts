import { WaitQueue } from '../../lib/queue/wait-queue';
import { type CallOverrides, outcomeOf, queuedCall, TestBucket } from './test-bucket';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

function setUp() {
  const queue = new WaitQueue<TestBucket>({ maxSize: 100, maxBytes: Infinity });
  const bucket = new TestBucket(1000, 1000, 0);
  const start = performance.now();
  const tries: number[] = [];
  /** A call that is tried whenever the queue drains, and never starts. `waitMs` is what it says of its wait. */
  const blocked = (overrides: CallOverrides = {}, waitMs = Infinity) =>
    outcomeOf(
      queue.waitForSlot(
        queuedCall([bucket], {
          tryStart: () => {
            tries.push(performance.now() - start);
            return { kind: 'waiting', waitMs };
          },
          ...overrides,
        }),
      ),
    );
  return { queue, bucket, start, tries, blocked };
}

describe('WaitQueue drains', () => {
  test('once per second if nothing else is due', async () => {
    const { queue, tries, blocked } = setUp();
    void blocked();
    await pass(3500);
    expect(tries).toEqual([0, 1000, 2000, 3000]);
    queue.rejectAll(new Error('done'));
  });

  test('when the call says it could start', async () => {
    const { queue, tries, blocked } = setUp();
    void blocked({}, 300);
    await pass(1000);
    expect(tries).toEqual([0, 300, 600, 900]);
    queue.rejectAll(new Error('done'));
  });

  test('at most every 20 ms, even if a call could start sooner', async () => {
    const { queue, tries, blocked } = setUp();
    void blocked({}, 5);
    await pass(70);
    expect(tries).toEqual([0, 20, 40, 60]);
    queue.rejectAll(new Error('done'));
  });

  test('once for all wake() of a tick', async () => {
    const { queue, tries, blocked } = setUp();
    void blocked();
    for (let n = 0; n < 5; n++) queue.wake();
    await pass(0);
    expect(tries).toEqual([0]);
    await pass(500);
    for (let n = 0; n < 5; n++) queue.wake();
    await pass(0);
    expect(tries).toEqual([0, 500]);
    queue.rejectAll(new Error('done'));
  });

  test('in the tick of a wake() that comes 20 ms after the last drain, and 20 ms after it if wake() comes sooner', async () => {
    const { queue, tries, blocked } = setUp();
    void blocked();
    await pass(20);
    queue.wake();
    await pass(0);
    expect(tries).toEqual([0, 20]);
    await pass(19);
    queue.wake();
    await pass(0);
    expect(tries).toEqual([0, 20]);
    await pass(1);
    expect(tries).toEqual([0, 20, 40]);
    queue.rejectAll(new Error('done'));
  });

  test('no later because of a wake() before the time that was due', async () => {
    const { queue, tries, blocked } = setUp();
    void blocked();
    await pass(500);
    queue.wake();
    await pass(600);
    expect(tries).toEqual([0, 500, 1000]);
    expect(jest.getTimerCount()).toBe(1);
    queue.rejectAll(new Error('done'));
  });

  test('not while no call waits: a call that left before its drain does not delay the next', async () => {
    const { queue, start, tries, blocked } = setUp();
    const caller = new AbortController();
    void blocked({ signal: caller.signal });
    caller.abort();
    await pass(0);
    expect(tries).toEqual([]);
    void blocked();
    await pass(0);
    expect(tries).toEqual([0]);
    expect(performance.now()).toBe(start);
    queue.rejectAll(new Error('done'));
  });

  test('with a timer that ends with the last call', async () => {
    const { queue, blocked } = setUp();
    const callers = [new AbortController(), new AbortController()];
    for (const { signal } of callers) void blocked({ signal });
    await pass(5);
    callers[0]!.abort();
    expect(jest.getTimerCount()).toBe(1);
    callers[1]!.abort();
    expect(jest.getTimerCount()).toBe(0);
    queue.wake();
    expect([queue.size, jest.getTimerCount()]).toEqual([0, 0]);
  });
});

describe('WaitQueue: a call that can no longer start in time', () => {
  test('leaves in the first drain after its latest start time, whichever call entered first', async () => {
    const { queue, start, blocked } = setUp();
    const calls = [5500, 2500, 4500, 3500].map((ms) => blocked({ deadlineAt: start + ms }));
    void blocked({ deadlineAt: Infinity });
    await pass(6000);
    const left = await Promise.all(calls);
    // The drain at the deadline finds it not passed yet, and the next comes 20 ms later.
    expect(left.map(({ at }) => at - start)).toEqual([5520, 2520, 4520, 3520]);
    expect(queue.size).toBe(1);
    queue.rejectAll(new Error('done'));
  });

  test.each([
    [20, 3000, 'ERR_AI_DEADLINE'],
    [21, 2999, 'ERR_AI_SATURATED'],
  ])(
    'with a deadline at 3000 ms and a service time of %d ms leaves at %d ms with %s',
    async (serviceMs, leavesAt, code) => {
      const { start, blocked } = setUp();
      const call = blocked({ deadlineAt: start + 3000, serviceMs });
      await pass(3500);
      const { at, ...outcome } = await call;
      expect(at - start).toBe(leavesAt);
      expect(outcome).toMatchObject({ started: false, code });
    },
  );

  test('is refused on entry if the calls ahead take 1 ms too long, and enters if they end at its latest start', async () => {
    const { queue, start } = setUp();
    const slow = new TestBucket(1, 10_000, 0);
    const enter = (overrides: CallOverrides = {}) =>
      outcomeOf(queue.waitForSlot(queuedCall([slow], overrides)));
    for (let n = 0; n < 20; n++) void enter();
    expect(await enter({ deadlineAt: start + 20_499, serviceMs: 500 })).toMatchObject({
      code: 'ERR_AI_SATURATED',
      retryAfterMs: 21_000,
    });
    void enter({ deadlineAt: start + 20_500, serviceMs: 500 });
    expect(queue.size).toBe(21);
    queue.rejectAll(new Error('done'));
  });
});
