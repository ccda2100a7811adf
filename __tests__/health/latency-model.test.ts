import { LatencyModel } from '../../lib/health/latency-model';
import { SiblingSlowness } from '../../lib/health/sibling-slowness';

const PROFILE = { firstTokenMs: 500, msPerPromptToken: 0, msPerOutputToken: 10 };
const SIZE = { promptTokens: 1_000, expectedOutputTokens: 100 };
/** A profile with which the first token also takes longer the longer the prompt is. */
const GROWING = { firstTokenMs: 500, msPerPromptToken: 0.1, msPerOutputToken: 10 };
/** The factor by which one sample moves an estimate at most. */
const UP = Math.exp(0.025);
/** When the samples no longer say how slow the endpoint is now, so that only what was learnt for good is left. */
const LATER = 1e9;

/** The predicted time until the first token, the time per prompt token and the time per output token, without load. */
function figuresOf(model: LatencyModel): readonly string[] {
  const first = model.totalMsOf(0, 0, 0, LATER);
  const prompt = (model.totalMsOf(1_000, 0, 0, LATER) - first) / 1_000;
  const output = (model.totalMsOf(0, 1_000, 0, LATER) - first) / 1_000;
  return [first, prompt, output].map((ms) => ms.toPrecision(6));
}

/** The figures of a profile, each multiplied by what was learnt. */
function figures(
  learnt: { readonly first: number; readonly prompt: number; readonly output: number },
  profile = GROWING,
): readonly string[] {
  const { firstTokenMs, msPerPromptToken, msPerOutputToken } = profile;
  return [
    firstTokenMs * learnt.first,
    msPerPromptToken * learnt.prompt,
    msPerOutputToken * learnt.output,
  ].map((ms) => ms.toPrecision(6));
}

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

  it('has evidence from the fifth sample on', () => {
    const model = new LatencyModel(PROFILE);
    answered(model, 4, 500, 0);
    expect(model.hasEvidence).toBe(false);
    answered(model, 1, 500, 0);
    expect(model.hasEvidence).toBe(true);
  });

  it('expects the output to take as many times longer as the first token did, but never less time than usual', () => {
    const model = new LatencyModel(GROWING);
    expect(model.outputMs(SIZE, 600)).toBeCloseTo(1_000, 9);
    expect(model.outputMs(SIZE, 1_800)).toBeCloseTo(3_000, 9);
    expect(model.outputMs(SIZE, 60)).toBeCloseTo(1_000, 9);
  });
});

describe('What a LatencyModel learns about the time without load', () => {
  beforeEach(() => jest.useFakeTimers({ now: 0 }));
  afterEach(() => jest.useRealTimers());

  it('comes from a first token for the constant and the growing part of the wait, not for the output', () => {
    const model = new LatencyModel(GROWING);
    model.recordFirstToken({}, 1_000, 6_000, 0, 0);
    expect(figuresOf(model)).toEqual(figures({ first: UP, prompt: UP, output: 1 }));
    const faster = new LatencyModel(GROWING);
    faster.recordFirstToken({}, 1_000, 60, 0, 0);
    expect(figuresOf(faster)).toEqual(figures({ first: 1 / UP, prompt: 1 / UP, output: 1 }));
  });

  it('comes from a stream for the output alone', () => {
    const model = new LatencyModel(GROWING);
    model.recordOutput(100, 5_000, 0);
    expect(figuresOf(model)).toEqual(figures({ first: 1, prompt: 1, output: UP }));
  });

  it('comes from an answer that was not streamed for all parts, because they cannot be separated', () => {
    const model = new LatencyModel(GROWING);
    // Expected: 500 + 1,000 * 0.1 + 100 * 10.
    model.recordAnswer({}, 1_000, 100, 3_200, 0, 0);
    // Twice as slow: one sample of 2 and two at the usual speed.
    expect(model.ratio(0, 0)).toBeCloseTo(4 / 3, 9);
    expect(figuresOf(model)).toEqual(figures({ first: UP, prompt: UP, output: UP }));
    const faster = new LatencyModel(GROWING);
    faster.recordAnswer({}, 1_000, 100, 800, 0, 0);
    expect(figuresOf(faster)).toEqual(figures({ first: 1 / UP, prompt: 1 / UP, output: 1 / UP }));
  });

  it('does not come from streams of fewer than eight tokens, whose time per token is mostly noise', () => {
    const model = new LatencyModel(GROWING);
    model.recordOutput(7, 5_000, 0);
    expect(figuresOf(model)).toEqual(figures({ first: 1, prompt: 1, output: 1 }));
    model.recordOutput(8, 5_000, 0);
    expect(figuresOf(model)).toEqual(figures({ first: 1, prompt: 1, output: UP }));
  });

  it.each([0, -1, Number.NaN])('does not come from a time of %d ms', (ms) => {
    const model = new LatencyModel(GROWING);
    model.recordFirstToken({}, 1_000, ms, 0, 0);
    model.recordOutput(100, ms, 0);
    expect(figuresOf(model)).toEqual(figures({ first: 1, prompt: 1, output: 1 }));
  });

  it('does not come from a call for which no time was expected', () => {
    const model = new LatencyModel({ ...GROWING, firstTokenMs: 0 });
    // An empty prompt: the profile knows only a time per token.
    model.recordFirstToken({}, 0, 50, 0, 0);
    expect(model.firstTokenMs(SIZE, 0, LATER)).toBeCloseTo(100, 9);
  });

  it('follows the first 40 samples in full, even if they arrive all at once', () => {
    const model = new LatencyModel(GROWING);
    for (let n = 0; n < 40; n++) model.recordOutput(100, 1e6, 0);
    expect(figuresOf(model)).toEqual(figures({ first: 1, prompt: 1, output: UP ** 40 }));
    model.recordOutput(100, 1e6, 0);
    expect(figuresOf(model)).toEqual(figures({ first: 1, prompt: 1, output: UP ** 40 }));
  });

  it.each([
    { after: 2_000, ms: 1e6, steps: 0.5, what: 'half a step up for a slow sample 2 s after the one before' },
    { after: 2_000, ms: 1, steps: -0.5, what: 'half a step down for a fast sample 2 s after the one before' },
    { after: 4_000, ms: 1e6, steps: 1, what: 'a full step for a sample 4 s after the one before' },
    { after: 60_000, ms: 1e6, steps: 1, what: 'no more than a full step for a sample a minute later' },
    { after: -1_000, ms: 1e6, steps: 0, what: 'no step for a sample that comes late' },
  ])('moves afterwards by the time since the previous sample: $what', ({ after, ms, steps }) => {
    const model = new LatencyModel(GROWING);
    for (let n = 0; n < 40; n++) model.recordOutput(100, 1e6, 10_000);
    model.recordOutput(100, ms, 10_000 + after);
    expect(figuresOf(model)).toEqual(figures({ first: 1, prompt: 1, output: UP ** (40 + steps) }));
  });

  it('is kept when the same profile is configured again', () => {
    const model = new LatencyModel(GROWING);
    model.recordAnswer({}, 1_000, 100, 1e6, 0, 0);
    model.configure({ ...GROWING });
    expect(figuresOf(model)).toEqual(figures({ first: UP, prompt: UP, output: UP }));
  });

  it.each(['firstTokenMs', 'msPerPromptToken', 'msPerOutputToken'] as const)(
    'is replaced by a new profile that differs in %s, and learnt from there on',
    (figure) => {
      const model = new LatencyModel(GROWING);
      model.recordAnswer({}, 1_000, 100, 1e6, 0, 0);
      const profile = { ...GROWING, [figure]: 2 * GROWING[figure] };
      model.configure(profile);
      expect(figuresOf(model)).toEqual(figures({ first: 1, prompt: 1, output: 1 }, profile));
      model.recordAnswer({}, 1_000, 100, 1e6, 0, 0);
      model.configure({ ...profile });
      expect(figuresOf(model)).toEqual(figures({ first: UP, prompt: UP, output: UP }, profile));
    },
  );
});
