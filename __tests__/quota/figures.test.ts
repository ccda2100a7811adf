import type { Call } from '../../lib/call/call';
import { Cooldown } from '../../lib/quota/cooldown';
import { estimateQuotaCost, unitsOf, windowsOf } from '../../lib/quota/cost';
import { DayBucket } from '../../lib/quota/day-bucket';
import type { QuotaLimit } from '../../lib/quota/limits';
import { Quota } from '../../lib/quota/quota';
import { QuotaFigures } from '../../lib/quota/quota-figures';
import { boundOutput, exceededBy, greatestUsedShare, leastLeft, longestWaitMs } from '../../lib/quota/quotas';

const HOUR_MS = 3_600_000;

describe('Several quotas', () => {
  const small = () => new Quota('small', { tpm: 6_000, rpm: 60 }, 10);
  const large = () => new Quota('large', { tpm: 60_000 }, 10);
  const free = () => new Quota('free', {}, 10);
  const cost = { input: 100, output: 2_000 };

  it('bound the output by a share of the smallest bucket', () => {
    expect(boundOutput([large(), small()], cost, 0.25, 0)).toEqual({ input: 100, output: 245 });
    expect(boundOutput([large(), small()], cost, Infinity, 0)).toBe(cost);
    expect(boundOutput([free()], cost, 0.25, 0)).toBe(cost);
    const spent = new Quota('spent', { tpd: 2_100 }, 10);
    spent.take(cost, 0);
    expect(boundOutput([spent], cost, Infinity, 0)).toBe(cost);
    expect(boundOutput([spent], cost, 1, 0)).toEqual({ input: 100, output: 1 });
    expect(boundOutput([], cost, 0.25, 0)).toBe(cost);
    const exact = { input: 100, output: 980 };
    expect(boundOutput([small()], exact, 1, 0)).toBe(exact);
    expect(boundOutput([small()], cost, 0.0001, 0)).toEqual({ input: 100, output: 1 });
  });

  it('make a call wait for the slowest', () => {
    const [a, b] = [small(), large()];
    a.take({ input: 980, output: 0 }, 0);
    const alone = a.waitMs({ input: 100, output: 0 }, 0);
    expect(alone).toBeGreaterThan(0);
    expect(longestWaitMs([a, b], { input: 100, output: 0 }, 0)).toBe(alone);
    expect(longestWaitMs([b, a], { input: 100, output: 0 }, 0)).toBe(alone);
    expect(longestWaitMs([], cost, 0)).toBe(0);
  });

  it('have the used share of the scarcest', () => {
    const [a, b] = [small(), large()];
    a.take({ input: 490, output: 0 }, 0);
    expect(greatestUsedShare([a, b], 0)).toBeCloseTo(0.5);
    expect(greatestUsedShare([b, a], 0)).toBeCloseTo(0.5);
    expect(greatestUsedShare([], 0)).toBe(0);
  });

  it('have left what the scarcest has left', () => {
    const [a, b] = [small(), large()];
    expect(leastLeft([a, b], 0)).toEqual({ requests: 9, tokens: 980 });
    expect(leastLeft([b, a], 0)).toEqual({ requests: 9, tokens: 980 });
    expect(leastLeft([b, free()], 0)).toEqual({ requests: undefined, tokens: 9_800 });
    expect(leastLeft([], 0)).toEqual({ requests: undefined, tokens: undefined });
  });

  it('report the first limit that a call alone exceeds', () => {
    expect(exceededBy([large(), small()], { input: 6_001, output: 0 })?.allowed).toBe(6_000);
    expect(exceededBy([large(), small()], { input: 6_000, output: 0 })).toBeUndefined();
    expect(exceededBy([], cost)).toBeUndefined();
  });
});

describe('The cached figures of a quota', () => {
  /** Limits whose room and used share can be set. */
  function figuresOf(
    limits: { dimension: string; allowed?: number; room?: number; used?: number }[],
    canTell = true,
  ) {
    const state = limits.map((limit) => ({ allowed: Infinity, room: Infinity, used: 0, ...limit }));
    const mutable = state.map((limit) => ({
      dimension: limit.dimension,
      allowed: limit.allowed,
      onChange: () => undefined,
      room: () => limit.room,
      usedShare: () => limit.used,
    }));
    const quotaLimits = mutable as unknown as QuotaLimit[];
    return { figures: new QuotaFigures(quotaLimits, canTell), state, limits: quotaLimits };
  }
  const cost = { input: 60, output: 40 };

  it.each([
    ['requests', 1, 0.99],
    ['tokens', 100, 99],
    ['input', 60, 59],
    ['output', 40, 39],
  ])('allow and have room for a cost that just fits the limit on %s', (dimension, fits, tooFew) => {
    expect(figuresOf([{ dimension, allowed: fits }]).figures.allows(cost)).toBe(true);
    expect(figuresOf([{ dimension, allowed: tooFew }]).figures.allows(cost)).toBe(false);
    expect(figuresOf([{ dimension, room: fits }]).figures.hasRoom(cost, 0)).toBe(true);
    expect(figuresOf([{ dimension, room: tooFew }]).figures.hasRoom(cost, 0)).toBe(false);
  });

  it('are those of the scarcest of several limits on the same units', () => {
    const two = [
      { dimension: 'tokens', room: 99, used: 0.4 },
      { dimension: 'tokens', room: 1_000, used: 0.2 },
    ];
    expect(figuresOf(two).figures.hasRoom(cost, 0)).toBe(false);
    expect(figuresOf(two.reverse()).figures.hasRoom(cost, 0)).toBe(false);
    expect(figuresOf(two).figures.usedShare(0)).toBe(0.4);
  });

  it('have a used share of at most 1', () => {
    expect(figuresOf([{ dimension: 'tokens', used: 1.7 }]).figures.usedShare(0)).toBe(1);
    expect(figuresOf([]).figures.usedShare(0)).toBe(0);
  });

  it('are kept for 5 ms, unless something changes or the clock jumps back', () => {
    const { figures, state, limits } = figuresOf([{ dimension: 'tokens', room: 50 }]);
    const hasRoomAt = (now: number) => figures.hasRoom(cost, now);
    expect(hasRoomAt(100)).toBe(false);
    state[0]!.room = 1_000;
    expect([hasRoomAt(100), hasRoomAt(104.9)]).toEqual([false, false]);
    expect(hasRoomAt(105)).toBe(true);
    state[0]!.room = 50;
    expect(hasRoomAt(106)).toBe(true);
    limits[0]!.onChange();
    expect(hasRoomAt(106)).toBe(false);
    state[0]!.room = 1_000;
    expect(hasRoomAt(105.9)).toBe(true);
    // 5 ms before the end is when they were computed.
    state[0]!.room = 50;
    expect(hasRoomAt(105.9)).toBe(true);
  });

  it('never have room if the limits are shared, but tell what is used', () => {
    const { figures } = figuresOf([{ dimension: 'tokens', used: 0.3 }], false);
    expect(figures.hasRoom({ input: 0, output: 0 }, 0)).toBe(false);
    expect(figures.usedShare(0)).toBe(0.3);
    expect(figures.allows(cost)).toBe(true);
  });
});

describe('A bucket per day', () => {
  it('has the limit as its depth, and a share of it in a cluster', () => {
    const bucket = new DayBucket(1_440);
    expect([bucket.limit, bucket.depth, bucket.sharedLimit]).toEqual([1_440, 1_440, 1]);
    bucket.setShare(0.5, 700, 0);
    expect([bucket.limit, bucket.depth, bucket.level(0)]).toEqual([1_440, 720, 700]);
    bucket.limit = 2_880;
    expect([bucket.depth, bucket.level(0)]).toEqual([1_440, 1_420]);
    bucket.setSharing();
    expect(bucket.depth).toBe(1_440);
  });

  it('waits until enough of what was taken is a day old', () => {
    const bucket = new DayBucket(100);
    bucket.take(30, 0);
    bucket.take(70, HOUR_MS);
    expect(bucket.waitMs(0, HOUR_MS)).toBe(0);
    expect(bucket.waitMs(30, HOUR_MS)).toBe(24 * HOUR_MS);
    expect(bucket.waitMs(31, HOUR_MS)).toBe(25 * HOUR_MS);
    expect(bucket.waitMs(101, HOUR_MS)).toBe(Infinity);
  });

  it('ignores differences below a millionth of a unit', () => {
    const bucket = new DayBucket(100);
    bucket.take(60, 0);
    expect(bucket.waitMs(40 + 1e-6, 0)).toBe(0);
    expect(bucket.waitMs(40.001, 0)).toBeGreaterThan(0);
    expect(bucket.waitMs(100 + 5e-7, 0)).toBeLessThan(Infinity);
  });

  it('scales what it counts by hour with its share', () => {
    const bucket = new DayBucket(100);
    bucket.take(40, 0);
    bucket.setShare(0.5, 30, 0);
    // A day later the 20 units that are this process's half come back.
    expect(bucket.level(25 * HOUR_MS)).toBe(50);
    const whole = new DayBucket(100);
    whole.setShare(0.5, 30, 0);
    whole.take(10, 0);
    whole.setShare(1, 80, 0);
    expect(whole.level(25 * HOUR_MS)).toBe(100);
  });

  it('takes over what all processes have used, by hour', () => {
    const bucket = new DayBucket(100);
    bucket.take(10, 0);
    bucket.setUsed([[0, 25]]);
    bucket.syncLevel(75, 0);
    expect(bucket.level(HOUR_MS)).toBe(75);
    expect(bucket.level(25 * HOUR_MS)).toBe(100);
  });

  it('counts hours on a clock of its own, if it has one', () => {
    jest.useFakeTimers({ now: 0 });
    const bucket = new DayBucket(100, () => 5 * HOUR_MS + 10);
    expect(bucket.hourAt(performance.now())).toBe(5);
    expect(bucket.hourAt(performance.now() + HOUR_MS)).toBe(6);
    expect(bucket.hourAt(performance.now() - 11)).toBe(4);
    expect(new DayBucket(100).hourAt(3 * HOUR_MS)).toBe(3);
    jest.useRealTimers();
  });
});

describe('The cost of a call', () => {
  const call = (fields: object, context: object = {}) =>
    ({ promptTokens: 101, expectedOutputTokens: 50, context, ...fields }) as unknown as Call;

  it('is its prompt and its output, at most max_tokens', () => {
    expect(estimateQuotaCost(call({ maxOutputTokens: 30 }))).toMatchObject({
      max: { input: 101, output: 30 },
      expected: { input: 101, output: 30 },
      maxShare: Infinity,
      expectedShare: 0.25,
      certain: { input: 71, output: 0 },
      certainReserved: { input: 71, output: 30 },
      at: expect.any(Number) as number,
    });
    expect(estimateQuotaCost(call({ maxOutputTokens: 400 }))).toMatchObject({
      max: { input: 101, output: 400 },
      expected: { input: 101, output: 50 },
    });
  });

  it('without max_tokens may reserve a quarter of a bucket, or all of it if the caller estimates the output', () => {
    expect(estimateQuotaCost(call({}))).toMatchObject({
      maxShare: 0.25,
      expectedShare: 0.25,
      certainReserved: { input: 71, output: 0 },
    });
    expect(estimateQuotaCost(call({}, { estimatedOutputTokens: 50 }))).toMatchObject({
      maxShare: 1,
      expectedShare: 1,
    });
  });

  it('counts towards each limit in its own units', () => {
    const cost = { input: 7, output: 3 };
    const dimensions = ['requests', 'tokens', 'input', 'output'] as const;
    expect(dimensions.map((dimension) => unitsOf(dimension, cost))).toEqual([1, 10, 7, 3]);
  });

  it('is compared with the windows of headers by what they count', () => {
    const window = (limit: number) => ({ limit });
    const reading = {
      requests: window(1),
      tokens: window(2),
      inputTokens: window(3),
      outputTokens: window(4),
      tokensPerDay: window(5),
    };
    expect(windowsOf(reading)).toEqual({
      requests: { limit: 1 },
      tokens: { limit: 2 },
      input: { limit: 3 },
      output: { limit: 4 },
    });
  });
});

describe('A cooldown', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('without a stated time doubles with each refusal, up to a minute, until a success', () => {
    jest.spyOn(Math, 'random').mockReturnValue(0);
    const cooldown = new Cooldown();
    const lengths = Array.from({ length: 8 }, () => {
      const from = cooldown.until;
      cooldown.startAfterRefusal({}, from);
      return cooldown.until - from;
    });
    expect(lengths).toEqual([1, 2, 4, 8, 16, 32, 60, 60].map((seconds) => seconds * 1_000));
    cooldown.recordSuccess();
    const from = cooldown.until;
    cooldown.startAfterRefusal({}, from);
    expect(cooldown.until - from).toBe(1_000);
  });

  it('counts the refusals of one burst once', () => {
    jest.spyOn(Math, 'random').mockReturnValue(0);
    const cooldown = new Cooldown();
    for (let n = 0; n < 5; n++) cooldown.startAfterRefusal({}, n);
    expect(cooldown.until).toBe(1_004);
    cooldown.startAfterRefusal({}, 1_004);
    expect(cooldown.until).toBe(3_004);
  });

  it('lasts up to a tenth longer at random, so that calls do not return all at once', () => {
    const lasting = (random: number) => {
      jest.spyOn(Math, 'random').mockReturnValue(random);
      const cooldown = new Cooldown();
      cooldown.startAfterRefusal({ retryAfterMs: 2_000 }, 500);
      return cooldown.until - 500;
    };
    expect(lasting(0)).toBe(2_000);
    expect(lasting(0.5)).toBeCloseTo(2_100);
    expect(lasting(1)).toBeCloseTo(2_200);
  });

  it('starts at the time that a peer reports, which counts as a refusal', () => {
    jest.spyOn(Math, 'random').mockReturnValue(0);
    const cooldown = new Cooldown();
    cooldown.startAfterReport(700, 0);
    expect(cooldown.until).toBe(700);
    cooldown.startAfterRefusal({}, 700);
    expect(cooldown.until).toBe(2_700);
  });

  it('is never shortened, but can be ended', () => {
    const cooldown = new Cooldown();
    cooldown.extendTo(900);
    cooldown.extendTo(400);
    expect(cooldown.until).toBe(900);
    cooldown.end();
    expect(cooldown.until).toBe(0);
  });
});
