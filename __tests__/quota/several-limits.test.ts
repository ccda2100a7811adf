import { Quota } from '../../lib/quota/quota';
import type { GrantRequest } from '../../lib/util/grant-request';
import { recordingStore } from './recording-store';

const HOUR_MS = 3_600_000;

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});

afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

describe('A quota', () => {
  const cost = { input: 300, output: 200 };

  it('keeps what is used, by limit, when it is configured again', () => {
    const quota = new Quota('q', { rpm: 600, tpm: 60_000, rpd: 10, tpd: 5_000 }, 10);
    quota.take(cost, 0);
    quota.configure({ rpm: 600, tpm: 60_000, rpd: 10, tpd: 5_000 }, 10);
    expect([quota.requestsLeft(0), quota.tokensLeft(0)]).toEqual([9, 4_500]);
    quota.configure({ tpm: 60_000 }, 10);
    expect([quota.requestsLeft(0), quota.tokensLeft(0)]).toEqual([undefined, 9_300]);
    quota.configure({ rpm: 600 }, 10);
    expect([quota.requestsLeft(0), quota.tokensLeft(0)]).toEqual([98, undefined]);
  });

  it('closes the limiters of limits that are gone, and all at its own end', () => {
    const { store, calls } = recordingStore();
    const quota = new Quota('q', { tpm: 60_000, rpd: 10 }, 10, store);
    quota.configure({ tpm: 60_000 }, 10);
    expect(calls.filter(([name]) => name === 'close')).toHaveLength(1);
    quota.close();
    expect(calls.filter(([name]) => name === 'close')).toHaveLength(2);
  });

  it('with shared limits asks each of them, even where the bucket has room', () => {
    const { store } = recordingStore();
    const quota = new Quota('q', { tpm: 60_000, rpm: 600 }, 10, store);
    expect(quota.waitMs(cost, 0)).toBe(500);
    expect(new Quota('q', { tpm: 60_000 }, 10).waitMs(cost, 0)).toBe(0);
  });

  it('collects the requests of shared limits, and gives no units back for those that were refused', () => {
    const { store, calls } = recordingStore();
    const quota = new Quota('q', { tpm: 60_000, rpm: 600 }, 10, store);
    const grants = new Map();
    quota.take(cost, 0, grants);
    expect([...grants.values()].map(({ units }: GrantRequest) => units).sort()).toEqual([1, 500]);
    quota.take(cost, 0);
    for (const request of grants.values() as Iterable<GrantRequest>) request.decide(request.units === 1);
    calls.length = 0;
    quota.adjust(cost, 1, 0, 0, grants);
    expect(calls).toEqual([['refund', 1, 0]]);
    calls.length = 0;
    quota.adjust({ input: -30, output: 10 }, 0, 0, 0);
    expect(calls).toEqual([['overdraw', 20]]);
    calls.length = 0;
    quota.adjust({ input: 0, output: 0 }, 0, 0, 0);
    expect(calls).toEqual([]);
  });

  it('has no requests to collect in memory, and gives units back at once', () => {
    const quota = new Quota('q', { tpm: 60_000, rpm: 600 }, 10);
    const grants = new Map();
    quota.take(cost, 0, grants);
    expect(grants.size).toBe(0);
    expect([quota.requestsLeft(0), quota.tokensLeft(0)]).toEqual([97, 9_300]);
    quota.adjust(cost, 1, 0, 0, grants);
    expect([quota.requestsLeft(0), quota.tokensLeft(0)]).toEqual([98, 9_800]);
  });

  it('makes a call wait for its scarcest limit, whichever that is', () => {
    const quota = new Quota('q', { rpm: 60, tpm: 60_000 }, 10);
    for (let n = 0; n < 9; n++) quota.take({ input: 1, output: 0 }, 0);
    // 0.8 requests are left, of which 0.392, 400 ms of the limit, stay in the bucket.
    expect(quota.waitMs({ input: 1, output: 0 }, 0)).toBeCloseTo((1 + 0.392 - 0.8) / 0.00098);
  });

  it('has left what its scarcest limit on the same units has left', () => {
    expect(new Quota('q', { tpm: 6_000, outputTpm: 60_000 }, 10).tokensLeft(0)).toBe(980);
    expect(new Quota('q', { tpm: 60_000, outputTpm: 6_000 }, 10).tokensLeft(0)).toBe(980);
  });

  it('claims units for a queued call from the limits per minute', () => {
    const { store, calls } = recordingStore();
    const quota = new Quota('q', { rpm: 600, tpm: 60_000, rpd: 10 }, 10, store);
    calls.length = 0;
    quota.prefetch(cost, 7);
    expect(calls).toEqual([
      ['prefetch', 1, 7],
      ['prefetch', 500, 7],
    ]);
  });

  it.each([
    ['requests', ['requests per minute', 'requests per day']],
    ['tokens', ['tokens per minute', 'tokens per day']],
    ['input', ['tokens per minute', 'input per minute', 'tokens per day']],
    ['output', ['tokens per minute', 'output per minute', 'tokens per day']],
  ] as const)('counts %s towards %j', (dimension, names) => {
    const limits = { rpm: 60, tpm: 60, inputTpm: 60, outputTpm: 60, rpd: 60, tpd: 60 };
    const quota = new Quota('q', limits, 10);
    expect(quota.limitsOf(dimension).map(({ name }) => name)).toEqual(names);
  });

  it('holds the output of its smallest bucket', () => {
    expect(new Quota('q', {}, 10).outputDepth(0)).toBe(Infinity);
    expect(new Quota('q', { tpm: 60_000, outputTpm: 6_000 }, 10).outputDepth(0)).toBeCloseTo(980);
    expect(new Quota('q', { tpm: 60_000, tpd: 500 }, 10).outputDepth(0)).toBe(500);
  });

  it('names the first limit that a call alone exceeds', () => {
    const quota = new Quota('q', { inputTpm: 1_000, tpd: 900 }, 10);
    expect(quota.exceededBy({ input: 900, output: 0 })).toBeUndefined();
    expect(quota.exceededBy({ input: 1_001, output: 0 })).toEqual({
      limit: 'input per minute',
      units: 1_001,
      allowed: 1_000,
    });
    expect(quota.exceededBy({ input: 0, output: 901 })).toEqual({
      limit: 'tokens per day',
      units: 901,
      allowed: 900,
    });
    // All 1,000 tokens just fit, so the limit that is exceeded is the one on output.
    const other = new Quota('q', { tpm: 1_000, outputTpm: 900 }, 10);
    expect(other.exceededBy({ input: 50, output: 950 })?.limit).toBe('output per minute');
  });

  it('refills at the rate of its scarcest limit', () => {
    const quota = new Quota('q', { rpm: 60, tpm: 60_000, outputTpm: 6_000 }, 10);
    expect(quota.tokensPerMs).toBeCloseTo(0.098);
    expect(quota.requestsPerMs).toBeCloseTo(0.00098);
    expect(new Quota('q', { tpd: 5 }, 10).tokensPerMs).toBe(Infinity);
    expect(new Quota('q', { tpm: 5 }, 10).requestsPerMs).toBe(Infinity);
  });

  it('is untouched while nothing is used, cooling down or running', () => {
    const fresh = () => new Quota('q', { tpm: 60_000, rpd: 10 }, 10);
    expect(fresh().isUntouched(0)).toBe(true);
    const running = fresh();
    running.take({ input: 0, output: 1 }, 0);
    expect(running.isUntouched(60_000)).toBe(false);
    running.finishAttempt({ input: 0, output: 1 });
    // The request still counts for a day.
    expect(running.isUntouched(60_000)).toBe(false);
    expect(running.isUntouched(25 * HOUR_MS)).toBe(true);
    // A minute later the bucket is full, but the output is still to come.
    const streaming = new Quota('q', { tpm: 60_000 }, 10);
    streaming.take({ input: 0, output: 1 }, 0);
    expect(streaming.isUntouched(60_000)).toBe(false);
    streaming.finishAttempt({ input: 0, output: 1 });
    expect(streaming.isUntouched(60_000)).toBe(true);
    const cooling = fresh();
    cooling.coolDownOnReport(500, 0);
    expect([cooling.isUntouched(499), cooling.isUntouched(500)]).toEqual([false, true]);
    const perMinute = new Quota('q', { tpm: 60_000 }, 10);
    perMinute.take({ input: 98, output: 0 }, 0);
    expect([perMinute.isUntouched(50), perMinute.isUntouched(120)]).toEqual([false, true]);
  });

  it('counts output as pending until its attempt ends, and never less than none', () => {
    const quota = new Quota('q', { tpm: 60_000 }, 10);
    quota.take({ input: 0, output: 50 }, 0);
    quota.take({ input: 0, output: 30 }, 0);
    expect(quota.snapshot(0).tokens).toEqual({ at: 0, level: 9_720, corrections: 0, pending: 80 });
    quota.finishAttempt({ input: 0, output: 50 });
    expect(quota.snapshot(0).tokens?.pending).toBe(30);
    quota.finishAttempt({ input: 0, output: 31 });
    expect(quota.snapshot(0).tokens?.pending).toBe(0);
    quota.take({ input: 0, output: 10 }, 0);
    expect(quota.snapshot(0).tokens?.pending).toBe(10);
  });

  it('cools down after a report by a peer, until the cooldown is ended', () => {
    const quota = new Quota('q', {}, 10);
    expect(quota.cooldownUntil).toBe(0);
    quota.coolDownOnReport(900, 0);
    expect(quota.cooldownUntil).toBe(900);
    quota.endCooldown();
    expect(quota.cooldownUntil).toBe(0);
  });

  it('cools down twice as long after each refusal, until a call is served', () => {
    jest.spyOn(Math, 'random').mockReturnValue(0);
    const quota = new Quota('q', {}, 10);
    quota.recordRefusal({}, 0);
    quota.recordRefusal({}, 1_000);
    expect(quota.cooldownUntil).toBe(3_000);
    quota.recordSuccess();
    quota.recordRefusal({}, 3_000);
    expect(quota.cooldownUntil).toBe(4_000);
  });

  it('passes headers and refusals on to its limits per minute', () => {
    const quota = new Quota('q', { tpm: 60_000 }, 10);
    quota.correct(quota.snapshot(0), { tokens: { remaining: 100 } }, { input: 1, output: 0 }, 0);
    expect(quota.tokensLeft(0)).toBe(100);
    const other = new Quota('q', { tpm: 60_000 }, 10);
    other.recordRefusal({ retryAfterMs: 1_000, reading: { tokens: { remaining: 100 } } }, 0);
    expect(other.tokensLeft(0)).toBe(100);
    expect(other.cooldownUntil).toBeGreaterThanOrEqual(1_000);
    const silent = new Quota('q', { tpm: 60_000 }, 10);
    silent.recordRefusal({ retryAfterMs: 1_000 }, 0);
    expect(silent.tokensLeft(0)).toBe(0);
  });
});
