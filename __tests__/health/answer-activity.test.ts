import { AnswerActivity } from '../../lib/health/answer-activity';

describe('AnswerActivity', () => {
  it('has been quiet forever before the first answer', () => {
    expect(new AnswerActivity().quietMs(1_000)).toBe(Infinity);
  });

  it('counts the milliseconds since the last answer', () => {
    const activity = new AnswerActivity();
    activity.recordAnswer(100);
    expect(activity.quietMs(350)).toBe(250);
    expect(activity.quietMs(50)).toBe(0);
  });

  it('is not quiet while any of its streams is open, and counts from the end of the last one', () => {
    const activity = new AnswerActivity();
    activity.recordStreamStart();
    activity.recordStreamStart();
    activity.recordStreamEnd(5_000);
    expect(activity.quietMs(60_000)).toBe(0);
    activity.recordStreamEnd(60_000);
    expect(activity.quietMs(60_000)).toBe(0);
    expect(activity.quietMs(61_000)).toBe(1_000);
  });
});
