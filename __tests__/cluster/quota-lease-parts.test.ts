import fc from 'fast-check';
import { commonTerms, leaseMs, limiterDepthMs } from '../../lib/cluster/quota-lease/lease-terms';
import { RedisClock } from '../../lib/cluster/redis/redis-clock';
import { REDIS_TIMEOUT_MS, RedisTimeout } from '../../lib/cluster/redis/redis-timeout';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

describe("Redis's clock", () => {
  it('is unknown until it has been heard, and then goes with our own', () => {
    const clock = new RedisClock();
    expect(clock.now()).toBeUndefined();
    const now = performance.now();
    clock.sample(1_000_000, now - 2, now);
    expect(clock.now()).toBe(1_000_001);
    jest.advanceTimersByTime(500);
    expect(clock.now()).toBe(1_000_501);
  });

  it('believes the fastest answer, until that is old or another server may answer', () => {
    const clock = new RedisClock();
    const now = performance.now();
    clock.sample(1_000_000, now - 1, now);
    clock.sample(1_000_400, now - 800, now);
    expect(clock.now()).toBe(1_000_000);
    clock.forget();
    clock.sample(2_000_000, now - 100, now);
    expect(clock.now()).toBe(2_000_050);
    jest.advanceTimersByTime(30_000);
    const later = performance.now();
    clock.sample(3_000_000, later - 200, later);
    expect(clock.now()).toBe(3_000_100);
  });
});

describe('patience with Redis', () => {
  const never = () => new Promise<never>(() => undefined);

  it('ends once for what is owed too long, not for what was answered in time', async () => {
    const onLate = jest.fn();
    const patience = new RedisTimeout(onLate);
    const answer = patience.watch(
      new Promise((resolve) => setTimeout(() => resolve('in time'), REDIS_TIMEOUT_MS - 5)),
    );
    await jest.advanceTimersByTimeAsync(REDIS_TIMEOUT_MS * 3);
    await expect(answer).resolves.toBe('in time');
    expect(onLate).not.toHaveBeenCalled();
    void patience.watch(never());
    await jest.advanceTimersByTimeAsync(REDIS_TIMEOUT_MS - 1);
    expect(onLate).not.toHaveBeenCalled();
    await jest.advanceTimersByTimeAsync(10);
    expect(onLate).toHaveBeenCalledTimes(1);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(onLate).toHaveBeenCalledTimes(1);
  });

  it('gives Redis more time after a stall of our own loop', async () => {
    const onLate = jest.fn();
    const patience = new RedisTimeout(onLate);
    let answered: (value: string) => void = () => undefined;
    const answer = patience.watch(
      new Promise<string>((resolve) => {
        answered = resolve;
      }),
    );
    const at = performance.now();
    // The timers of that time fire late, and what arrived meanwhile is read after them.
    jest.spyOn(performance, 'now').mockImplementation(() => at + 400);
    jest.advanceTimersByTime(REDIS_TIMEOUT_MS);
    answered('read after the stall');
    await answer;
    await jest.advanceTimersByTimeAsync(50);
    jest.restoreAllMocks();
    expect(onLate).not.toHaveBeenCalled();
  });

  it('leaves no timer behind', async () => {
    const patience = new RedisTimeout(() => undefined);
    await patience.watch(Promise.resolve());
    await jest.advanceTimersByTimeAsync(REDIS_TIMEOUT_MS * 2);
    expect(jest.getTimerCount()).toBe(0);
    void patience.watch(never());
    patience.stop();
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('terms', () => {
  it('all leases and the ledger together hold the depth, and no lease more than 250 ms of the limit', () => {
    const depths = fc.integer({ min: 100, max: 60_000 });
    fc.assert(
      fc.property(depths, fc.integer({ min: 1, max: 500 }), (depthMs, members) => {
        const lease = leaseMs(depthMs, members);
        expect(lease).toBeGreaterThan(0);
        expect(lease).toBeLessThanOrEqual(250);
        expect(members * lease).toBeLessThanOrEqual(0.25 * depthMs + 1e-6);
        expect(limiterDepthMs(depthMs, members) + members * lease).toBeCloseTo(depthMs, 6);
      }),
    );
  });

  it('are those that every process can bear; a depth that one has seen counts for all', () => {
    const terms = (limit: number, depthMs: number, observedMs = 0) => ({ limit, depthMs, observedMs });
    expect(commonTerms([terms(600, 10_000), terms(500, 20_000)])).toEqual(terms(500, 10_000));
    expect(commonTerms([terms(600, 10_000), terms(600, 10_000, 61_000)])).toEqual(terms(600, 60_000, 60_000));
  });
});
