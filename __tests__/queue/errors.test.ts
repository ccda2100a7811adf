import { queueAbortedError, queueDeadlineError, saturatedError } from '../../lib/queue/errors';

describe('the errors of the wait queue', () => {
  test.each([
    [1500.2, 1501, 'full; retry after 1501 ms'],
    [1, 1, 'full; retry after 1 ms'],
    [0, 1, 'full; retry after 1 ms'],
    [-5, 1, 'full; retry after 1 ms'],
  ])('a call shed with a wait of %d ms may be retried after %d ms', (waitMs, retryAfterMs, message) => {
    const error = saturatedError('full', waitMs);
    expect(error).toMatchObject({
      code: 'ERR_AI_SATURATED',
      status: 503,
      retryable: true,
      retryAfterMs,
      message,
    });
  });

  test('a call shed with an unknown wait states no time', () => {
    const error = saturatedError('full', Infinity);
    expect(error).toMatchObject({ code: 'ERR_AI_SATURATED', status: 503, retryable: true, message: 'full' });
    expect(error.retryAfterMs).toBeUndefined();
  });

  test('a passed deadline is a 504 that may be retried, an abort a 499 that may not', () => {
    expect(queueDeadlineError()).toMatchObject({ code: 'ERR_AI_DEADLINE', status: 504, retryable: true });
    expect(queueAbortedError()).toMatchObject({ code: 'ERR_AI_ABORTED', status: 499, retryable: false });
  });
});
