import { ReportedLimit } from '../../lib/quota/reported-limit';

describe('A reported limit', () => {
  it('is the configured one until headers report another', () => {
    const limit = new ReportedLimit();
    expect(limit.share).toBe(1);
    expect(limit.wasLoweredSince(0)).toBe(false);
    expect(limit.msUntilForgotten(0)).toBe(0);
    expect(limit.forget(0)).toBe(false);
  });

  it('has the share of the configured limit that headers reported last', () => {
    const limit = new ReportedLimit();
    limit.observe(0.5, 0);
    expect(limit.share).toBe(0.5);
    limit.observe(0.8, 10);
    expect(limit.share).toBe(0.8);
  });

  it('is never above the configured limit', () => {
    const limit = new ReportedLimit();
    limit.observe(1.5, 0);
    expect(limit.share).toBe(1);
  });

  it('was lowered at the time of the headers, for levels of that time or before', () => {
    const limit = new ReportedLimit();
    limit.observe(0.5, 1_000);
    expect([999, 1_000, 1_001].map((time) => limit.wasLoweredSince(time))).toEqual([true, true, false]);
  });

  it('was lowered at the last decrease: neither the same limit again nor a higher one counts', () => {
    const limit = new ReportedLimit();
    limit.observe(0.5, 1_000);
    limit.observe(0.5, 2_000);
    limit.observe(0.7, 3_000);
    expect(limit.wasLoweredSince(1_001)).toBe(false);
    limit.observe(0.6, 4_000);
    expect([4_000, 4_001].map((time) => limit.wasLoweredSince(time))).toEqual([true, false]);
  });

  it('expires 45 s after headers last showed it, even if they showed the same limit', () => {
    const limit = new ReportedLimit();
    limit.observe(0.5, 1_000);
    limit.observe(0.5, 11_000);
    expect([11_000, 55_999, 56_000, 70_000].map((now) => limit.msUntilForgotten(now))).toEqual([
      45_000, 1, 0, 0,
    ]);
    expect(limit.forget(55_999)).toBe(false);
    expect(limit.share).toBe(0.5);
    expect(limit.forget(56_000)).toBe(true);
    expect(limit.share).toBe(1);
  });

  it('changes nothing when it expires a second time, or was never below the configured limit', () => {
    const limit = new ReportedLimit();
    limit.observe(0.5, 0);
    limit.forget(45_000);
    expect(limit.forget(45_001)).toBe(false);
    const same = new ReportedLimit();
    same.observe(1, 0);
    expect(same.forget(45_000)).toBe(false);
  });
});
