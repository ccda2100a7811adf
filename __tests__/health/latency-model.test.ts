import { LatencyModel } from '../../lib/health/latency-model';

const PROFILE = { firstTokenMs: 500, msPerPromptToken: 0, msPerOutputToken: 10 };
const SIZE = { promptTokens: 1_000, expectedOutputTokens: 100 };

const answered = (model: LatencyModel, count: number, ms: number, now: number): void => {
  for (let n = 0; n < count; n++) model.recordFirstToken({}, 1_000, ms, 1, now);
};

describe('the time to expect of an endpoint', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it("is its model's profile before anything is known, and proves nothing", () => {
    const model = new LatencyModel(PROFILE);
    expect(model.predict(SIZE, 0, 0)).toEqual({ firstTokenMs: 500, totalMs: 1_500 });
    expect(model.hasEvidence).toBe(false);
  });

  it('follows slow first tokens at once, and forgets them in its time', () => {
    const model = new LatencyModel(PROFILE);
    answered(model, 20, 2_000, 0);
    expect(model.hasEvidence).toBe(true);
    const slow = model.predict(SIZE, 1, 0).totalMs;
    expect(slow).toBeGreaterThan(2 * 1_500);
    expect(model.predict(SIZE, 1, 60_000).totalMs).toBeLessThan(slow / 1.5);
  });

  it('takes one outlier for what it is', () => {
    const model = new LatencyModel(PROFILE);
    answered(model, 30, 500, 0);
    answered(model, 1, 6 * 500, 0);
    expect(model.predict(SIZE, 1, 0).totalMs).toBeLessThan(1.4 * 1_500);
  });

  it('counts calls that are overdue before they end', () => {
    const model = new LatencyModel(PROFILE);
    answered(model, 10, 500, 0);
    const silent = [{}, {}, {}, {}];
    for (const call of silent) model.recordSent(call, SIZE, true, 0);
    expect(model.ratio(4, 100)).toBeLessThan(1.3);
    expect(model.ratio(4, 4_000)).toBeGreaterThan(3);
    for (const call of silent) model.finish(call);
    expect(model.ratio(4, 4_100)).toBeLessThan(1.5);
  });

  it('rises with the calls in flight, where it has been seen to', () => {
    const model = new LatencyModel(PROFILE);
    for (let n = 1; n <= 40; n++) model.recordFirstToken({}, 1_000, 500 * (1 + n / 10), n, 0);
    expect(model.ratio(40, 1)).toBeGreaterThan(1.3 * model.ratio(5, 2));
  });

  it('moves its prior a small step a sample: a median, not a mean', () => {
    const model = new LatencyModel(PROFILE);
    for (let n = 0; n < 200; n++) model.recordOutput(100, 2_000);
    // Long after the slow ratio is forgotten, the prior remembers.
    expect(model.predict(SIZE, 0, 1e6).totalMs).toBeGreaterThan(2_000);
    model.recordOutput(100, 1e9);
    expect(model.predict(SIZE, 0, 1e6).totalMs).toBeLessThan(3_000);
  });

  it('is never NaN, whatever is observed', () => {
    const model = new LatencyModel({ firstTokenMs: 0, msPerPromptToken: 0, msPerOutputToken: 0 });
    for (const ms of [0, -1, Number.NaN, Infinity, 5]) {
      model.recordFirstToken({}, 0, ms, 0, 0);
      model.recordAnswer({}, 0, 0, ms, 0, 0);
      model.recordOutput(100, ms);
    }
    expect(model.predict(SIZE, 3, 10).totalMs).not.toBeNaN();
  });
});
