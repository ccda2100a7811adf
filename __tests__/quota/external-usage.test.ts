import { ExternalUsage } from '../../lib/quota/external-usage';
import { Slowdown } from '../../lib/quota/slowdown';

/** The share of a constant that is learnt after one time constant: 1 - 1 / e. */
const LEARNT = 0.63212;

describe('The rate of external usage', () => {
  it('approaches what others take, with a time constant of 20 s', () => {
    const usage = new ExternalUsage();
    expect(usage.rate).toBe(0);
    usage.observe(-2_000, 20_000, 1, 20_000);
    expect(usage.rate).toBeCloseTo(0.1 * LEARNT, 5);
    usage.observe(1_000, 20_000, 1, 40_000);
    expect(usage.rate).toBeCloseTo(0.05 * LEARNT, 5);
  });

  it('rises by a deviation divided by 20 s if no time lies behind it', () => {
    const usage = new ExternalUsage();
    usage.observe(-2_000, 0, 1, 0);
    expect(usage.rate).toBeCloseTo(0.1);
  });

  it('is never below zero', () => {
    const usage = new ExternalUsage();
    usage.observe(1_000, 20_000, 1, 0);
    expect(usage.rate).toBe(0);
  });

  it.each([1, 2])('is at most 90 %% of a limit of %d per millisecond', (limitRate) => {
    const usage = new ExternalUsage();
    usage.observe(-1e9, 20_000, limitRate, 0);
    expect(usage.rate).toBeCloseTo(0.9 * limitRate);
  });

  it('is forgotten 60 s after the last headers, once', () => {
    const usage = new ExternalUsage();
    usage.observe(-2_000, 0, 1, 5_000);
    expect(usage.forget(64_999)).toBe(false);
    expect(usage.rate).toBeCloseTo(0.1);
    expect(usage.forget(65_000)).toBe(true);
    expect(usage.rate).toBe(0);
    expect(usage.forget(65_001)).toBe(false);
  });

  it('stays remembered while headers keep coming', () => {
    const usage = new ExternalUsage();
    usage.observe(-2_000, 0, 1, 0);
    usage.start(1, 50_000);
    expect(usage.forget(109_999)).toBe(false);
    expect(usage.forget(110_000)).toBe(true);
  });
});

describe('The headroom for external usage', () => {
  it('is 2 s of the limit once the first headers are known', () => {
    const usage = new ExternalUsage();
    expect(usage.headroom).toBe(0);
    usage.start(0.5, 0);
    expect(usage.headroom).toBe(1_000);
  });

  it('is twice the last deviation', () => {
    const usage = new ExternalUsage();
    usage.observe(-300, 0, 1, 0);
    expect(usage.headroom).toBe(600);
  });

  it.each([1, 0.5])('is at most 6 s of a limit of %d per millisecond', (limitRate) => {
    const usage = new ExternalUsage();
    usage.observe(-1e9, 0, limitRate, 0);
    expect(usage.headroom).toBe(6_000 * limitRate);
  });

  it('decays with a time constant of 120 s while the headers agree with the bucket or show more', () => {
    const usage = new ExternalUsage();
    usage.start(1, 0);
    usage.observe(0, 120_000, 1, 120_000);
    expect(usage.headroom).toBeCloseTo(2_000 * (1 - LEARNT), 1);
    usage.observe(5_000, 0, 1, 120_000);
    expect(usage.headroom).toBeCloseTo(2_000 * (1 - LEARNT), 1);
  });

  it('is not lowered by a smaller deviation', () => {
    const usage = new ExternalUsage();
    usage.observe(-1_000, 0, 1, 0);
    usage.observe(-10, 0, 1, 0);
    expect(usage.headroom).toBe(2_000);
  });
});

describe('The slowdown after refusals', () => {
  it('multiplies the factor by 0.8, at most once in 2 s', () => {
    const slowdown = new Slowdown();
    slowdown.recordRefusal(0);
    slowdown.recordRefusal(1_999);
    expect(slowdown.factor).toBeCloseTo(0.8);
    slowdown.recordRefusal(2_000);
    expect(slowdown.factor).toBeCloseTo(0.64);
  });

  it('recovers by 0.3 per minute, up to 1, and says whether it has changed', () => {
    const slowdown = new Slowdown();
    expect(slowdown.recover(1_000)).toBe(false);
    slowdown.recordRefusal(0);
    expect(slowdown.recover(20_000)).toBe(true);
    expect(slowdown.factor).toBeCloseTo(0.9);
    expect(slowdown.recover(60_000)).toBe(true);
    expect(slowdown.factor).toBe(1);
    expect(slowdown.recover(60_000)).toBe(false);
  });
});
