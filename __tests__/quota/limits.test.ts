import type { LimiterStore } from '../../lib/quota/limiter';
import { DailyLimit, MinuteLimit } from '../../lib/quota/limits';
import { recordingStore } from './recording-store';

const MINUTE = { limit: 60_000, burstSeconds: 10 };
const IN_PROCESS: LimiterStore = { open: () => undefined, configure: () => undefined };
const HOUR_MS = 3_600_000;

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
