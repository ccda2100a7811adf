import { Bucket } from '../../lib/quota/bucket';

/** A limit of 60,000 per minute hands out 0.98 units per millisecond; ten seconds of that are 9,800 units. */
const OPTIONS = { limit: 60_000, burstSeconds: 10 };
const RATE = 0.98;

/** A bucket that is full at time 0, and the corrections that it reports. */
function setUp() {
  const corrected: number[] = [];
  const bucket = new Bucket(OPTIONS, (units) => void corrected.push(units));
  /** Applies headers that show `units` more or fewer than the bucket holds at `at`. */
  const seeDeviation = (units: number, at: number) => {
    const snapshot = bucket.snapshot(at);
    bucket.correct(snapshot, snapshot.level + units, at);
  };
  return { bucket, corrected, seeDeviation };
}

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});

afterEach(() => {
  jest.useRealTimers();
});

describe('A level corrected from headers', () => {
  it('falls to what the provider has left, and the difference is reported once', () => {
    const { bucket, corrected, seeDeviation } = setUp();
    seeDeviation(-500, 0);
    expect(bucket.level(0)).toBeCloseTo(9_300);
    expect(corrected).toEqual([expect.closeTo(-500)]);
  });

  it('rises by half of a surplus, after what is pending and the 1,200 units that are never handed out', () => {
    const { bucket, corrected } = setUp();
    bucket.take(9_800, 0);
    bucket.correct(bucket.snapshot(0, 500), 4_000, 0);
    expect(bucket.level(0)).toBeCloseTo((4_000 - 500 - 1_200) / 2);
    expect(corrected).toEqual([expect.closeTo(1_150)]);
  });

  it.each([0, 1_200])('keeps still and reports nothing if the headers show a surplus of %d', (surplus) => {
    const { bucket, corrected, seeDeviation } = setUp();
    bucket.take(5_000, 0);
    seeDeviation(surplus, 0);
    expect(bucket.level(0)).toBeCloseTo(4_800);
    expect(corrected).toEqual([]);
  });

  it('never rises above the depth; what is reported is what was added', () => {
    const { bucket, corrected } = setUp();
    bucket.take(9_800, 0);
    const snapshot = bucket.snapshot(0);
    bucket.put(9_700, 0);
    bucket.correct(snapshot, 4_000, 0);
    expect(bucket.level(0)).toBeCloseTo(9_800);
    expect(corrected).toEqual([expect.closeTo(100)]);
  });

  it('is not corrected again for what an earlier correction has settled before the attempt was sent', () => {
    const { bucket, seeDeviation } = setUp();
    seeDeviation(-5_000, 0);
    seeDeviation(0, 0);
    expect(bucket.level(0)).toBeCloseTo(4_800);
  });

  it('ignores headers of an attempt sent before the one whose headers were applied last', () => {
    const { bucket, seeDeviation } = setUp();
    const early = bucket.snapshot(0);
    seeDeviation(0, 1_000);
    bucket.correct(early, 0, 1_000);
    expect(bucket.level(1_000)).toBeCloseTo(9_800);
  });
});

describe('The depth of a bucket', () => {
  it('rises to a larger remaining in headers, and the observed depth says so in milliseconds of refill', () => {
    const { bucket } = setUp();
    expect(bucket.observedDepthMs).toBe(0);
    bucket.correct(bucket.snapshot(0), 19_600, 0);
    expect(bucket.depth).toBeCloseTo(19_600);
    expect(bucket.observedDepthMs).toBeCloseTo(20_000);
  });

  it('rises to at most what is handed out per minute', () => {
    const { bucket } = setUp();
    bucket.correct(bucket.snapshot(0), 1e6, 0);
    expect(bucket.depth).toBeCloseTo(58_800);
    expect(bucket.observedDepthMs).toBeCloseTo(60_000);
  });

  it('does not change if the remaining fits in it, not even if it fills it exactly', () => {
    const { bucket } = setUp();
    bucket.correct(bucket.snapshot(0), 100, 0);
    bucket.correct(bucket.snapshot(0), bucket.depth, 0);
    expect(bucket.depth).toBeCloseTo(9_800);
    expect(bucket.observedDepthMs).toBe(0);
  });

  it('stays raised while external usage slows the refill', () => {
    const { bucket, seeDeviation } = setUp();
    bucket.correct(bucket.snapshot(0), 19_600, 0);
    seeDeviation(-1_000, 20_000);
    bucket.level(30_000);
    expect(bucket.depth).toBeCloseTo(19_600);
  });
});

describe('External usage seen in headers', () => {
  it('raises the headroom from 400 ms to 2 s of refill with the first headers, whatever they show', () => {
    const { bucket, seeDeviation } = setUp();
    expect(bucket.headroom).toBeCloseTo(392);
    seeDeviation(-3_000, 0);
    expect(bucket.headroom).toBeCloseTo(1_960);
    expect(bucket.rate).toBeCloseTo(RATE);
  });

  it('slows the refill by what others have taken between two attempts', () => {
    const { bucket, seeDeviation } = setUp();
    seeDeviation(0, 0);
    seeDeviation(-1_000, 20_000);
    // 1,000 units in 20 s are 0.05 per millisecond; after one time constant 63.2 % of that is learnt.
    expect(bucket.rate).toBeCloseTo(RATE - 0.0316, 4);
    expect(bucket.headroom).toBeCloseTo(2_000);
  });

  it('is learnt even between two attempts sent at the same time', () => {
    const { bucket, seeDeviation } = setUp();
    seeDeviation(0, 1_000);
    seeDeviation(-1_000, 1_000);
    expect(bucket.rate).toBeCloseTo(RATE - 1_000 / 20_000);
  });

  it('stops slowing the refill 60 s after the last headers', () => {
    const { bucket, seeDeviation } = setUp();
    seeDeviation(0, 0);
    seeDeviation(-1_000, 20_000);
    bucket.level(79_999);
    expect(bucket.rate).toBeCloseTo(RATE - 0.0316, 4);
    bucket.level(80_000);
    expect(bucket.rate).toBeCloseTo(RATE);
  });

  it('leaves a tenth of a refill that refusals have slowed, so that calls still go out', () => {
    const { bucket, seeDeviation } = setUp();
    seeDeviation(0, 0);
    seeDeviation(-1e6, 20_000);
    expect(bucket.rate).toBeCloseTo(0.1 * RATE);
    bucket.recordRefusal(20_000);
    expect(bucket.rate).toBeCloseTo(0.1 * 0.8 * RATE);
  });
});

describe('A refusal with headers', () => {
  it('lowers the level to the remaining, but never raises it', () => {
    const { bucket, corrected } = setUp();
    bucket.recordRefusalWithRemaining(500, 0);
    expect(bucket.level(0)).toBeCloseTo(500);
    bucket.recordRefusalWithRemaining(700, 0);
    expect(bucket.level(0)).toBeCloseTo(500);
    expect(corrected).toEqual([expect.closeTo(-9_300)]);
  });

  it('counts units missing beyond those that the refused attempt had asked for as external usage', () => {
    const { bucket, seeDeviation } = setUp();
    seeDeviation(0, 0);
    bucket.take(1_000, 20_000);
    const snapshot = bucket.snapshot(20_000);
    bucket.put(1_000, 20_000);
    // The provider refused the 1,000 units, so without others it would have 9,800 left.
    bucket.recordRefusalWithRemaining(8_800, 20_000, snapshot, 1_000);
    expect(bucket.rate).toBeCloseTo(RATE - 0.0316, 4);
    expect(bucket.level(20_000)).toBeCloseTo(8_800);
  });

  it('of an attempt sent before the last one with headers lowers the level but teaches nothing', () => {
    const { bucket, seeDeviation } = setUp();
    seeDeviation(0, 0);
    const early = bucket.snapshot(10_000);
    seeDeviation(0, 20_000);
    bucket.recordRefusalWithRemaining(8_800, 20_000, early);
    expect(bucket.rate).toBeCloseTo(RATE);
    expect(bucket.level(20_000)).toBeCloseTo(8_800);
  });
});

describe('A refusal without headers', () => {
  it('empties the bucket and lowers refill and shared limit to 80 %', () => {
    const { bucket } = setUp();
    expect(bucket.sharedLimit).toBeCloseTo(58_800);
    bucket.recordRefusal(0);
    expect(bucket.level(0)).toBe(0);
    expect(bucket.rate).toBeCloseTo(0.8 * RATE);
    expect(bucket.sharedLimit).toBeCloseTo(0.8 * 58_800);
  });

  it('leaves a debt as it is', () => {
    const { bucket } = setUp();
    bucket.take(10_000, 0);
    bucket.recordRefusal(0);
    expect(bucket.level(0)).toBeCloseTo(-200);
  });

  it('is made up for within 40 s, in steps of 5 % of the shared limit', () => {
    const { bucket } = setUp();
    bucket.recordRefusal(0);
    bucket.level(1_000);
    expect(bucket.rate).toBeCloseTo(0.805 * RATE);
    expect(bucket.sharedLimit).toBeCloseTo(0.85 * 58_800);
    bucket.level(40_000);
    expect(bucket.rate).toBeCloseTo(RATE);
    expect(bucket.sharedLimit).toBeCloseTo(58_800);
  });
});
