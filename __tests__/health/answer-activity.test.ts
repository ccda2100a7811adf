import { AnswerActivity } from '../../lib/health/answer-activity';

describe('AnswerActivity', () => {
  it('reports an endpoint that has never answered as quiet forever', () => {
    expect(new AnswerActivity().quietMs(5_000)).toBe(Infinity);
  });

  it('counts the quiet time from the last answer', () => {
    const activity = new AnswerActivity();
    activity.recordAnswer(1_000);
    expect(activity.quietMs(1_400)).toBe(400);
    activity.recordAnswer(1_500);
    expect(activity.quietMs(1_700)).toBe(200);
  });

  it('never reports a negative quiet time, even if asked about a moment before the last answer', () => {
    const activity = new AnswerActivity();
    activity.recordAnswer(1_000);
    expect(activity.quietMs(900)).toBe(0);
  });

  it('reports no quiet time while the endpoint streams, however long the stream takes', () => {
    const activity = new AnswerActivity();
    activity.recordStreamStart();
    expect(activity.quietMs(600_000)).toBe(0);
  });

  it('counts the quiet time from the end of the last of several streams', () => {
    const activity = new AnswerActivity();
    activity.recordStreamStart();
    activity.recordStreamStart();
    activity.recordStreamEnd(2_000);
    expect(activity.quietMs(2_500)).toBe(0);
    activity.recordStreamEnd(3_000);
    expect(activity.quietMs(3_250)).toBe(250);
  });
});
