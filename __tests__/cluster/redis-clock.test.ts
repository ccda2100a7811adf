import { RedisClock } from '../../lib/cluster/redis/redis-clock';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

describe('RedisClock:', () => {
  it("the time is unknown before the first sample and then advances with the process's own clock", () => {
    const clock = new RedisClock();
    expect(clock.now()).toBeUndefined();
    const now = performance.now();
    clock.sample(1_000_000, now - 2, now);
    expect(clock.now()).toBe(1_000_001);
    jest.advanceTimersByTime(500);
    expect(clock.now()).toBe(1_000_501);
  });

  it('the sample with the shortest round trip is used until it is old or has expired', () => {
    const clock = new RedisClock();
    const now = performance.now();
    clock.sample(1_000_000, now - 1, now);
    clock.sample(1_000_400, now - 800, now);
    expect(clock.now()).toBe(1_000_000);
    clock.expire();
    clock.sample(2_000_000, now - 100, now);
    expect(clock.now()).toBe(2_000_050);
    jest.advanceTimersByTime(30_000);
    const later = performance.now();
    clock.sample(3_000_000, later - 200, later);
    expect(clock.now()).toBe(3_000_100);
  });
});
