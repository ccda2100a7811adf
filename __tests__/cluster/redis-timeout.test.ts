import { answersInTime } from '../../lib/cluster/redis/redis-link';

/** A Redis that takes longer is unreachable. */
const REDIS_TIMEOUT_MS = 250;

beforeEach(() => jest.useFakeTimers());
afterEach(() => {
  jest.restoreAllMocks();
  jest.useRealTimers();
});

const after = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe('Redis timeout:', () => {
  it.each([
    ['an answer', after],
    ['an error', (ms: number) => after(ms).then(() => Promise.reject(new Error('ERR')))],
  ])('%s within the limit is in time, and a later one is not', async (_what, reply) => {
    const results = Promise.all([
      answersInTime(reply(REDIS_TIMEOUT_MS - 5)),
      answersInTime(reply(REDIS_TIMEOUT_MS + 5)),
      answersInTime(new Promise(() => undefined)),
    ]);
    await jest.advanceTimersByTimeAsync(REDIS_TIMEOUT_MS * 2);
    expect(await results).toEqual([true, false, false]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('a distant Redis may take two round trips longer', async () => {
    const results = Promise.all([
      answersInTime(after(REDIS_TIMEOUT_MS + 390), 200),
      answersInTime(after(REDIS_TIMEOUT_MS + 410), 200),
    ]);
    await jest.advanceTimersByTimeAsync(REDIS_TIMEOUT_MS * 4);
    expect(await results).toEqual([true, false]);
  });

  it('an answer that arrived while the event loop was blocked is in time', async () => {
    let answer: () => void = () => undefined;
    const isInTime = answersInTime(new Promise<void>((resolve) => (answer = resolve)));
    const at = performance.now();
    // The timers fire late, and what has arrived is read after them.
    jest.spyOn(performance, 'now').mockImplementation(() => at + 400);
    jest.advanceTimersByTime(REDIS_TIMEOUT_MS);
    answer();
    await jest.advanceTimersByTimeAsync(50);
    expect(await isInTime).toBe(true);
  });
});
