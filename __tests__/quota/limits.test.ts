import type { LimiterStore, SharedLimiter } from '../../lib/quota/limiter';
import { DailyLimit, MinuteLimit } from '../../lib/quota/limits';
import { Quota } from '../../lib/quota/quota';
import { GrantRequest } from '../../lib/util/grant-request';

const MINUTE = { limit: 60_000, burstSeconds: 10 };
const IN_PROCESS: LimiterStore = { open: () => undefined, configure: () => undefined };
const HOUR_MS = 3_600_000;

/** A store whose limiters record how they are called. */
function recordingStore(answer?: { left: number }) {
  const calls: unknown[][] = [];
  const record =
    (name: string) =>
    (...args: unknown[]) =>
      void calls.push([name, ...args]);
  const limiter: SharedLimiter = {
    waitMs: (units, bucketWaitMs) => bucketWaitMs + units,
    prefetch: record('prefetch'),
    reserve: (units) => {
      calls.push(['reserve', units]);
      return new GrantRequest(units, () => undefined);
    },
    refund: record('refund'),
    overdraw: record('overdraw'),
    correct: record('correct'),
    adjust: (units) => {
      calls.push(['adjust', units]);
      return Promise.resolve(answer?.left);
    },
    close: record('close'),
  };
  const store: LimiterStore = {
    open: (id, _bucket, terms) => {
      calls.push(['open', id, terms]);
      return limiter;
    },
    configure: record('configure'),
  };
  return { store, calls };
}

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});

afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

const minuteLimit = (store = IN_PROCESS, options = MINUTE) => new MinuteLimit('q', 'tokens', options, store);

describe('A limit per minute', () => {
  it('has room for anything while it is full, then for what is left without its reserve', () => {
    const limit = minuteLimit();
    expect(limit.room(0)).toBe(Infinity);
    limit.take(800, 0, 'calls');
    expect(limit.room(0)).toBeCloseTo(9_000 - 392);
    expect(limit.left(0)).toBe(9_000);
  });

  it('has no room that is certain once a job of other code has waited', () => {
    const limit = minuteLimit();
    limit.claim(10, 0, 'calls');
    expect(limit.room(0)).toBe(Infinity);
    limit.claim(10, 0, 'jobs');
    expect(limit.room(0)).toBe(0);
    limit.endJobs();
    expect(limit.room(0)).toBe(0);
  });

  it('reports a claim as a change, and accepts the end of jobs that never came', () => {
    const limit = minuteLimit();
    limit.endJobs();
    let changes = 0;
    limit.onChange = () => {
      changes++;
    };
    limit.claim(10, 0, 'calls');
    expect(changes).toBe(1);
  });

  it('makes a call wait longer while a job that came first has its claim', () => {
    const limit = minuteLimit();
    limit.take(9_300, 0, 'calls');
    limit.claim(5_000, 0, 'jobs');
    // 500 units are left, of which 392, 400 ms of the limit, stay in the bucket.
    expect(limit.waitMs(1_000, 0, 'calls')).toBeCloseTo((5_000 + 1_000 + 392 - 500) / 0.98);
    expect(limit.waitMs(1_000, 0, 'jobs')).toBeCloseTo((1_000 + 392 - 500) / 0.98);
    limit.endJobs();
    expect(limit.waitMs(1_000, 0, 'calls')).toBeCloseTo((1_000 + 392 - 500) / 0.98);
  });

  it('has a used share between 0 and 1, and more with a debt', () => {
    const limit = minuteLimit();
    expect(limit.usedShare(0)).toBe(0);
    limit.take(4_900, 0, 'calls');
    expect(limit.usedShare(0)).toBeCloseTo(0.5);
    limit.take(9_800, 0, 'calls');
    expect(limit.usedShare(0)).toBeCloseTo(1.5);
  });

  it.each([
    ['requests', Infinity, Infinity],
    ['tokens', 9_800, 60_000],
    ['input', Infinity, 60_000],
    ['output', 9_800, 60_000],
  ] as const)('of %s holds %d output tokens, and allows calls of %d units', (dimension, depth, allowed) => {
    const limit = new MinuteLimit('q', dimension, MINUTE, IN_PROCESS);
    expect(limit.outputDepth()).toBeCloseTo(depth);
    expect(limit.allowed).toBe(allowed);
    expect(limit.name).toBe(`${dimension} per minute`);
  });

  it('counts pending output in its snapshot only if it counts output', () => {
    const pendingOf = (dimension: 'tokens' | 'input' | 'output' | 'requests') =>
      new MinuteLimit('q', dimension, MINUTE, IN_PROCESS).snapshot(0, 70).pending;
    expect([pendingOf('tokens'), pendingOf('output')]).toEqual([70, 70]);
    expect([pendingOf('input'), pendingOf('requests')]).toEqual([0, 0]);
  });

  it('keeps its level when its limit changes, and is as deep as the new one', () => {
    const limit = minuteLimit();
    limit.take(4_900, 0, 'calls');
    limit.configure({ limit: 120_000, burstSeconds: 10 });
    expect(limit.allowed).toBe(120_000);
    expect(limit.left(0)).toBe(4_900);
    expect(limit.outputDepth()).toBeCloseTo(19_600);
  });

  it('takes and gives back units for other code', async () => {
    const limit = minuteLimit();
    expect(await limit.adjust(800)).toBe(9_000);
    expect(await limit.adjust(-300)).toBe(9_300);
    expect(await limit.adjust(0)).toBe(9_300);
    expect(await limit.adjust(20_000)).toBe(-10_700);
    expect(await minuteLimit().adjust(-500)).toBe(9_800);
  });
});

describe('The headers of a served attempt', () => {
  const served = { input: 100, output: 0 };
  const windows = (tokens: { limit?: number; remaining?: number } | undefined) => ({
    requests: undefined,
    tokens: tokens as { limit?: number; remaining?: number },
    input: undefined,
    output: undefined,
  });

  it('raise the level by half of what is missing, and lower it in full', () => {
    const limit = minuteLimit();
    const sent = { tokens: limit.snapshot(0, 0) };
    // 1,200 of the 60,000 are never handed out: half of 50,000 - 9,800 - 1,200 is added.
    limit.correct(sent, windows({ limit: 60_000, remaining: 50_000 }), served, 0);
    expect(limit.left(0)).toBe(9_800 + 19_500);
    limit.correct(sent, windows({ limit: 60_000, remaining: 1_000 }), served, 0);
    expect(limit.left(0)).toBe(1_000);
  });

  it('lower the limit that they state', () => {
    const limit = minuteLimit();
    limit.correct({}, windows({ limit: 30_000 }), served, 0);
    expect(limit.rate).toBeCloseTo(0.49);
  });

  it('are ignored if their limit is 0, or below 70 % of what was served', () => {
    const limit = minuteLimit();
    limit.correct({}, windows({ limit: 0 }), { input: 0, output: 0 }, 0);
    limit.correct({}, windows({ limit: 69 }), served, 0);
    expect(limit.rate).toBeCloseTo(0.98);
    limit.correct({}, windows({ limit: 70 }), served, 0);
    expect(limit.rate).toBeCloseTo((0.98 * 70) / 60_000, 6);
  });

  it('say nothing without a window, or without a snapshot', () => {
    const limit = minuteLimit();
    let changes = 0;
    limit.onChange = () => {
      changes++;
    };
    limit.correct({ tokens: limit.snapshot(0, 0) }, windows(undefined), served, 0);
    limit.correct({}, windows({ remaining: 5 }), served, 0);
    limit.correct({ tokens: limit.snapshot(0, 0) }, windows({}), served, 0);
    expect(limit.left(0)).toBe(9_800);
    expect(changes).toBe(3);
  });
});

describe('A refusal', () => {
  const window = (tokens: unknown) => ({ tokens }) as never;

  it('without headers empties the bucket and slows the refill to 80 %', () => {
    const limit = minuteLimit();
    let changes = 0;
    limit.onChange = () => {
      changes++;
    };
    limit.recordRefusal(undefined, 0, undefined);
    expect(limit.left(0)).toBe(0);
    expect(limit.rate).toBeCloseTo(0.98 * 0.8);
    expect(changes).toBe(1);
  });

  it('with headers that say nothing about the limit leaves it', () => {
    const limit = minuteLimit();
    limit.recordRefusal(window(undefined), 0, undefined);
    limit.recordRefusal(window({ limit: 60_000 }), 0, undefined);
    expect(limit.left(0)).toBe(9_800);
  });

  it('with the remaining units lowers the level to them', () => {
    const limit = minuteLimit();
    const attempt = { snapshot: { tokens: limit.snapshot(0, 0) }, cost: { input: 500, output: 100 } };
    limit.recordRefusal(window({ remaining: 300 }), 0, attempt);
    expect(limit.left(0)).toBe(300);
    const other = minuteLimit();
    other.recordRefusal(window({ remaining: 300 }), 0, undefined);
    expect(other.left(0)).toBe(300);
  });

  it('shows external usage, which the units that the refused attempt gave back do not hide', () => {
    const limit = minuteLimit();
    limit.correct({ tokens: limit.snapshot(0, 0) }, window({ remaining: 9_800 }), { input: 1, output: 0 }, 0);
    limit.take(600, 20_000, 'calls');
    const attempt = { snapshot: { tokens: limit.snapshot(20_000, 0) }, cost: { input: 500, output: 100 } };
    limit.put(600, 20_000, 20_000);
    limit.recordRefusal(window({ remaining: 9_300 }), 20_000, attempt);
    // Others have taken 500 of 9,800 in 20 s, of which a share of 1 - 1/e is learnt.
    expect(limit.rate).toBeCloseTo(0.98 - (500 * (1 - Math.exp(-1))) / 20_000, 6);
  });
});

describe('A limit per day', () => {
  const dailyLimit = (dimension: 'requests' | 'tokens' = 'tokens', store = IN_PROCESS) =>
    new DailyLimit('q', dimension, 1_000, store);

  it('allows a call of its size, or any number of tokens in a request', () => {
    expect(dailyLimit().allowed).toBe(1_000);
    expect(dailyLimit('requests').allowed).toBe(Infinity);
    expect(dailyLimit().name).toBe('tokens per day');
  });

  it('has room for what is left, and no used share', () => {
    const limit = dailyLimit();
    expect(limit.room(0)).toBe(1_000);
    limit.take(300, 0, 'calls');
    expect(limit.room(0)).toBe(700);
    expect(limit.usedShare()).toBe(0);
    expect(limit.outputDepth(0)).toBe(700);
    expect(dailyLimit('requests').outputDepth(0)).toBe(Infinity);
    limit.claim(10, 0, 'jobs');
    expect(limit.room(0)).toBe(0);
  });

  it('is untouched until something is taken, and again a day later', () => {
    const limit = dailyLimit();
    expect(limit.isUntouched(0)).toBe(true);
    limit.take(1, 0, 'calls');
    expect(limit.isUntouched(0)).toBe(false);
    expect(limit.isUntouched(25 * HOUR_MS)).toBe(true);
  });

  it('keeps what is used when it changes', () => {
    const limit = dailyLimit();
    limit.take(300, 0, 'calls');
    limit.configure(2_000);
    expect([limit.left(0), limit.allowed]).toEqual([1_700, 2_000]);
  });
});

describe('A limit whose units are in a shared store', () => {
  it('opens its limiter with its name and depth', () => {
    const { store, calls } = recordingStore();
    minuteLimit(store).configure({ limit: 30_000, burstSeconds: 5 });
    new DailyLimit('q', 'requests', 10, store).configure(20);
    expect(calls).toEqual([
      ['open', 'q:tokens', { depthMs: 10_000, isDay: false }],
      ['configure', 'q:tokens', { depthMs: 5_000, isDay: false }],
      ['open', 'q:requests per day', { depthMs: 24 * HOUR_MS, isDay: true }],
      ['configure', 'q:requests per day', { depthMs: 24 * HOUR_MS, isDay: true }],
    ]);
  });

  it('tells the limiter of every change', async () => {
    const { store, calls } = recordingStore({ left: 4_321 });
    const limit = minuteLimit(store);
    calls.length = 0;
    expect(limit.take(100, 0, 'calls')).toMatchObject({ units: 100, state: 'waiting' });
    limit.put(40, 0, 0);
    limit.overdraw(7, 0);
    limit.claim(30, 0, 'calls');
    expect(await limit.adjust(5)).toBe(4_321);
    limit.close();
    expect(calls).toEqual([
      ['reserve', 100],
      ['refund', 40, 0],
      ['overdraw', 7],
      ['prefetch', 30, 0],
      ['adjust', 5],
      ['close'],
    ]);
  });

  it('gives units back as a refund where the limiter leaves it to the bucket, and does nothing for 0', async () => {
    const { store, calls } = recordingStore();
    const limit = minuteLimit(store);
    calls.length = 0;
    await limit.adjust(0);
    expect(calls).toEqual([['adjust', 0]]);
    calls.length = 0;
    await limit.adjust(-5);
    expect(calls).toEqual([
      ['adjust', -5],
      ['refund', 5, 0],
    ]);
  });

  it('tells the limiter of corrections from headers', () => {
    const { store, calls } = recordingStore();
    const limit = minuteLimit(store);
    const sent = { tokens: limit.snapshot(0, 0) };
    limit.correct(sent, { tokens: { remaining: 1_000 } } as never, { input: 1, output: 0 }, 0);
    expect(calls.at(-1)).toEqual(['correct', 1_000 - 9_800]);
  });

  it('waits as long as the limiter says', () => {
    const { store } = recordingStore();
    expect(minuteLimit(store).waitMs(55, 0, 'calls')).toBe(55);
    expect(minuteLimit().waitMs(55, 0, 'calls')).toBe(0);
  });
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
