import { LatencyModel } from '../../lib/health/latency-model';
import { SiblingSlowness } from '../../lib/health/sibling-slowness';

const PROFILE = { firstTokenMs: 500, msPerPromptToken: 0, msPerOutputToken: 10 };
const SIZE = { promptTokens: 1_000, expectedOutputTokens: 100 };

const answered = (model: LatencyModel, count: number, ms: number, now: number): void => {
  for (let n = 0; n < count; n++) model.recordFirstToken({}, 1_000, ms, 1, now);
};

describe('LatencyModel', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it("predicts the model's profile before the first sample and has no evidence", () => {
    const model = new LatencyModel(PROFILE);
    expect(model.predict(SIZE, 0, 0)).toEqual({ firstTokenMs: 500, totalMs: 1_500 });
    expect(model.hasEvidence).toBe(false);
  });

  it('follows slow first tokens at once and forgets them within a minute', () => {
    const model = new LatencyModel(PROFILE);
    answered(model, 20, 2_000, 0);
    expect(model.hasEvidence).toBe(true);
    const slow = model.predict(SIZE, 1, 0).totalMs;
    expect(slow).toBeGreaterThan(2 * 1_500);
    expect(model.predict(SIZE, 1, 60_000).totalMs).toBeLessThan(slow / 1.5);
  });

  it('assumes that an endpoint without samples is as slow as the other endpoints of its model at its provider', () => {
    const siblings = new SiblingSlowness();
    const [used, unused] = [new LatencyModel(PROFILE, siblings), new LatencyModel(PROFILE, siblings)];
    answered(used, 20, 5_000, 0);
    expect(unused.ratio(0, 0)).toBeGreaterThan(7);
    // A prediction is held against an endpoint only if that has samples of its own. A minute later the siblings'
    // samples hardly count.
    expect(unused.hasEvidence).toBe(false);
    expect(unused.ratio(0, 60_000)).toBeLessThan(1.5);
  });

  it('weights the samples of an endpoint more than those of its siblings, and does not count them twice', () => {
    const siblings = new SiblingSlowness();
    const [slow, fast] = [new LatencyModel(PROFILE, siblings), new LatencyModel(PROFILE, siblings)];
    answered(slow, 20, 5_000, 0);
    answered(fast, 20, 500, 0);
    expect(fast.ratio(1, 0)).toBeLessThan(2);
    const alone = new LatencyModel(PROFILE);
    const single = new LatencyModel(PROFILE, new SiblingSlowness());
    answered(alone, 5, 3_000, 0);
    answered(single, 5, 3_000, 0);
    expect(single.ratio(1, 0)).toBeCloseTo(alone.ratio(1, 0), 9);
  });

  it('hardly changes its prediction because of a single outlier', () => {
    const model = new LatencyModel(PROFILE);
    answered(model, 30, 500, 0);
    answered(model, 1, 6 * 500, 0);
    expect(model.predict(SIZE, 1, 0).totalMs).toBeLessThan(1.4 * 1_500);
  });

  it('raises its prediction for overdue attempts before they end', () => {
    const model = new LatencyModel(PROFILE);
    answered(model, 10, 500, 0);
    const silent = [{}, {}, {}, {}];
    for (const call of silent) model.recordSent(call, SIZE, true, 0);
    expect(model.ratio(4, 100)).toBeLessThan(1.3);
    expect(model.ratio(4, 4_000)).toBeGreaterThan(3);
    for (const call of silent) model.finish(call);
    expect(model.ratio(4, 4_100)).toBeLessThan(1.5);
  });

  it('raises its prediction with the calls in flight once samples have shown such a dependency', () => {
    const model = new LatencyModel(PROFILE);
    for (let n = 1; n <= 40; n++) model.recordFirstToken({}, 1_000, 500 * (1 + n / 10), n, 0);
    expect(model.ratio(40, 1)).toBeGreaterThan(1.3 * model.ratio(5, 2));
  });

  it('moves its baseline by one small step per sample, so that it follows the median, not the mean', () => {
    const model = new LatencyModel(PROFILE);
    for (let n = 0; n < 200; n++) model.recordOutput(100, 2_000, n * 4_000);
    // The baseline persists long after the ratio has decayed.
    expect(model.predict(SIZE, 0, 1e6).totalMs).toBeGreaterThan(2_000);
    model.recordOutput(100, 1e9, 1e6);
    expect(model.predict(SIZE, 0, 1e6).totalMs).toBeLessThan(3_000);
  });

  it('does not learn congestion as the baseline of an endpoint that answers hundreds of calls per minute', () => {
    const model = new LatencyModel(PROFILE);
    let now = 0;
    for (let n = 0; n < 40; n++) model.recordFirstToken({}, 1_000, 500, 1, (now += 1_000));
    const before = model.ratio(1, now);
    // One minute of answers, ten per second, that take ten times as long.
    for (let n = 0; n < 600; n++) model.recordFirstToken({}, 1_000, 5_000, 1, (now += 100));
    expect(model.ratio(1, now)).toBeGreaterThan(5 * before);
  });

  it('never predicts NaN, whatever is observed', () => {
    const model = new LatencyModel({ firstTokenMs: 0, msPerPromptToken: 0, msPerOutputToken: 0 });
    for (const ms of [0, -1, Number.NaN, Infinity, 5]) {
      model.recordFirstToken({}, 0, ms, 0, 0);
      model.recordAnswer({}, 0, 0, ms, 0, 0);
      model.recordOutput(100, ms, 0);
    }
    expect(model.predict(SIZE, 3, 10).totalMs).not.toBeNaN();
  });
});
