import { backoffMs } from '../../lib/failover/retry-plan';
import { sleep } from '../../lib/failover/until-aborted';
import { answer, chatText, Rig, silence } from './upstream';

const rig = new Rig();
const after =
  (ms: number): typeof silence =>
  (arrival) =>
    setTimeout(() => answer('late')(arrival), ms);

describe('The time limit of an attempt', () => {
  it('is the configured timeout if no other endpoint could serve the call', async () => {
    for (const stream of [false, true]) {
      const { balancer } = await rig.start(
        { a: after(150) },
        { timeouts: { firstTokenMs: stream ? 10_000 : 50, totalMs: 20_000 } },
      );
      expect((await chatText(balancer, stream)).text).toBe('late');
    }
  });

  it('is three times the expected time of a whole answer if another endpoint could serve the call', async () => {
    const models = { m: { latency: { firstTokenMs: 60, msPerPromptToken: 0, msPerOutputToken: 0 } } };
    const { balancer } = await rig.start(
      { a: silence, b: answer('b') },
      { models, timeouts: { firstTokenMs: 10 }, strategy: 'weighted' },
    );
    const { text, route } = await chatText(balancer, false);
    expect(text).toBe('b');
    expect(route.attempts[0]!.ms).toBeGreaterThanOrEqual(175);
    expect(route.attempts[0]!.ms).toBeLessThan(10_000);
  });

  it('is 300 s until the first token of a reasoning model', async () => {
    const models = {
      m: { reasoning: true, latency: { firstTokenMs: 1, msPerPromptToken: 0, msPerOutputToken: 0 } },
    };
    const { balancer, upstream } = await rig.start(
      { a: after(150), b: answer('b') },
      { models, timeouts: { firstTokenMs: 50 } },
    );
    expect((await chatText(balancer, true)).text).toBe('late');
    expect(upstream.count('b')).toBe(0);
  });

  it('ends no later than the deadline of the call, after which nothing more is sent', async () => {
    // Too slow for another try to make sense before the deadline.
    const models = { m: { latency: { firstTokenMs: 1_000, msPerPromptToken: 0, msPerOutputToken: 0 } } };
    const { balancer, upstream } = await rig.start(
      { a: silence, b: silence, c: answer() },
      { models, timeouts: { firstTokenMs: 1_500 } },
    );
    const from = performance.now();
    await expect(chatText(balancer, true, { timeoutMs: 2_500 })).rejects.toMatchObject({
      code: 'ERR_AI_DEADLINE',
      message: expect.stringMatching(
        /^deadline exceeded \(2,500 ms\): 2 attempts, the last at endpoint 'b' for [\d,]+ ms$/,
      ) as string,
      attempts: [
        { endpoint: 'a', class: 'timeout' },
        { endpoint: 'b', class: 'timeout' },
      ],
    });
    expect(performance.now() - from).toBeLessThan(10_000);
    expect(upstream.count('c')).toBe(0);
  });
});

describe('The backoff before an endpoint is tried again', () => {
  const retry = {
    maxAttempts: 5,
    budgetRatio: 0.2,
    budgetPerSecond: 10,
    baseDelayMs: 250,
    maxDelayMs: 8_000,
  };

  it('doubles up to maxDelayMs, with jitter in the upper half', () => {
    const delays = (random: number) =>
      [0, 1, 2, 3, 4, 5, 6, 1_000].map((n) => backoffMs(n, retry, () => random));
    expect(delays(1)).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
    expect(delays(0)).toEqual([125, 250, 500, 1_000, 2_000, 4_000, 4_000, 4_000]);
  });

  it('leaves no timer when the caller leaves, and no listener when it ends', async () => {
    jest.useFakeTimers();
    const caller = new AbortController();
    const removed = jest.spyOn(caller.signal, 'removeEventListener');
    const short = sleep(100, caller.signal);
    await jest.advanceTimersByTimeAsync(100);
    await short;
    expect(removed).toHaveBeenCalledTimes(1);
    const long = sleep(10_000, caller.signal);
    caller.abort();
    await expect(long).rejects.toMatchObject({ code: 'ERR_AI_ABORTED' });
    await expect(sleep(10, caller.signal)).rejects.toMatchObject({ code: 'ERR_AI_ABORTED' });
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
  });
});
