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

  it('has evidence from the fifth sample on', () => {
    const model = new LatencyModel(PROFILE);
    answered(model, 4, 500, 0);
    expect(model.hasEvidence).toBe(false);
    answered(model, 1, 500, 0);
    expect(model.hasEvidence).toBe(true);
  });

  describe('learns a baseline that', () => {
    /** When the ratio of the samples so far is 1 again, so that a prediction is the baseline. */
    const LATER = 1e6;
    const FULL = { firstTokenMs: 500, msPerPromptToken: 0.1, msPerOutputToken: 10 };
    const baseline = (model: LatencyModel) => model.predict(SIZE, 0, LATER);

    it('moves by 2.5 % with a slow first token, and back with a fast one', () => {
      const model = new LatencyModel(FULL);
      model.recordFirstToken({}, 1_000, 5_000, 1, 0);
      expect(baseline(model).firstTokenMs).toBeCloseTo(600 * Math.exp(0.025), 6);
      expect(baseline(model).totalMs).toBeCloseTo(600 * Math.exp(0.025) + 1_000, 6);
      model.recordFirstToken({}, 1_000, 50, 1, 0);
      expect(baseline(model).firstTokenMs).toBeCloseTo(600, 6);
    });

    it('moves as a whole with an answer that was not streamed', () => {
      const model = new LatencyModel(FULL);
      model.recordAnswer({}, 1_000, 100, 16_000, 1, 0);
      expect(baseline(model).firstTokenMs).toBeCloseTo(600 * Math.exp(0.025), 6);
      expect(baseline(model).totalMs).toBeCloseTo(1_600 * Math.exp(0.025), 6);
      expect(model.ratio(1, 0)).toBeCloseTo((10 + 2) / 3, 6);
    });

    it('takes the time per token from outputs of at least eight tokens', () => {
      const model = new LatencyModel(FULL);
      model.recordOutput(7, 10_000, 0);
      expect(baseline(model).totalMs).toBeCloseTo(1_600, 6);
      model.recordOutput(8, 10_000, 0);
      expect(baseline(model).totalMs).toBeCloseTo(600 + 1_000 * Math.exp(0.025), 6);
    });

    it('ignores times that are not positive', () => {
      const model = new LatencyModel(FULL);
      for (const ms of [0, -1, Number.NaN]) model.recordOutput(100, ms, 0);
      expect(baseline(model).totalMs).toBeCloseTo(1_600, 6);
    });

    it('moves less after forty samples, by how many of the next four seconds have passed', () => {
      const model = new LatencyModel(FULL);
      const outputMs = () => baseline(model).totalMs - 600;
      for (let n = 0; n < 40; n++) model.recordOutput(100, 1e9, 0);
      expect(outputMs()).toBeCloseTo(1_000 * Math.exp(40 * 0.025), 6);
      model.recordOutput(100, 1e9, 0);
      expect(outputMs()).toBeCloseTo(1_000 * Math.exp(40 * 0.025), 6);
      model.recordOutput(100, 1, 2_000);
      expect(outputMs()).toBeCloseTo(1_000 * Math.exp(39.5 * 0.025), 6);
      model.recordOutput(100, 1e9, 60_000);
      expect(outputMs()).toBeCloseTo(1_000 * Math.exp(40.5 * 0.025), 6);
    });

    it('is kept when the same profile is set again, and is that of another profile', () => {
      const model = new LatencyModel(FULL);
      model.recordAnswer({}, 1_000, 100, 16_000, 1, 0);
      model.configure({ ...FULL });
      expect(baseline(model).totalMs).toBeCloseTo(1_600 * Math.exp(0.025), 6);
      for (const [change, totalMs] of [
        [{ firstTokenMs: 600 }, 1_700],
        [{ msPerPromptToken: 0.2 }, 1_700],
        [{ msPerOutputToken: 11 }, 1_700],
      ] as const) {
        const changed = new LatencyModel(FULL);
        changed.recordAnswer({}, 1_000, 100, 16_000, 1, 0);
        changed.configure({ ...FULL, ...change });
        expect(baseline(changed).totalMs).toBeCloseTo(totalMs, 6);
      }
    });
  });

  it('expects the output to take as many times longer as the first token took, but never less', () => {
    const model = new LatencyModel({ firstTokenMs: 500, msPerPromptToken: 0.1, msPerOutputToken: 10 });
    expect(model.outputMs(SIZE, 600)).toBeCloseTo(1_000, 6);
    expect(model.outputMs(SIZE, 1_200)).toBeCloseTo(2_000, 6);
    expect(model.outputMs(SIZE, 300)).toBeCloseTo(1_000, 6);
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
