import { type AiBalancerError, createBalancer } from 'express-ai-balancer';
import { timedAxios } from './timed-axios';

const BODY = { model: 'm', messages: [{ role: 'user' as const, content: 'Where is my parcel?' }] };

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

/** A balancer over one endpoint that takes this long for an answer. */
function balancerOver(upstream: { latencyMs: number; calls: number }) {
  const http = timedAxios(() => {
    upstream.calls++;
    return upstream.latencyMs;
  });
  return createBalancer({
    logger: false,
    hedge: false,
    endpoints: [{ name: 'only', model: 'm', baseURL: 'http://upstream.test/v1' }],
    http: { axios: http },
  });
}

describe('An endpoint whose predicted latency exceeds the deadline of a call', () => {
  it('is refused to concurrent calls with a message that names the prediction, but still gets one call at a time', async () => {
    const upstream = { latencyMs: 8_000, calls: 0 };
    const balancer = balancerOver(upstream);
    for (let call = 0; call < 10; call++) {
      const slow = balancer.chat(BODY, { timeoutMs: 60_000 });
      await jest.advanceTimersByTimeAsync(8_000);
      await slow;
    }
    upstream.latencyMs = 100;
    const ask = () =>
      balancer.chat(BODY, { timeoutMs: 2_000 }).then(
        () => 'served',
        (error: unknown) => {
          const { code, message, route } = error as AiBalancerError;
          return { code, message, why: route?.why };
        },
      );
    const asked = Promise.all([ask(), ask()]);
    await jest.advanceTimersByTimeAsync(100);
    expect(await asked).toEqual([
      'served',
      {
        code: 'ERR_AI_SATURATED',
        message: expect.stringMatching(
          /^no endpoint is expected to answer this call within 2,000 ms/,
        ) as string,
        why: [expect.objectContaining({ endpoint: 'only', removedBy: 'deadline: cannot answer in time' })],
      },
    ]);
    expect(balancer.explain(BODY, { timeoutMs: 2_000 })).toMatchObject({ pick: 'only' });

    // The calls that it gets show that it is fast again.
    for (let call = 0; call < 100; call++) {
      const next = ask();
      await jest.advanceTimersByTimeAsync(1_000);
      expect(await next).toBe('served');
    }
    const together = Promise.all([ask(), ask(), ask()]);
    await jest.advanceTimersByTimeAsync(100);
    expect(await together).toEqual(['served', 'served', 'served']);
    await balancer.close();
  });
});

describe('The route report of a call that no endpoint was asked for', () => {
  it.each([
    ['all endpoints are disabled', {}, 'ERR_AI_UNAVAILABLE', 'weight: '],
    ['no endpoint has a required tag', { tags: ['eu'] }, 'ERR_AI_NO_ENDPOINT', 'tags'],
  ])('says why for each endpoint when %s', async (state, options, code, removedBy) => {
    const balancer = balancerOver({ latencyMs: 1, calls: 0 });
    if (state.includes('disabled')) balancer.endpoint('only').disable();
    const error = await balancer.chat(BODY, options).catch((thrown: unknown) => thrown as AiBalancerError);
    expect(error).toMatchObject({
      code,
      route: { why: [{ endpoint: 'only', removedBy: expect.stringContaining(removedBy) as string }] },
    });
    await balancer.close();
  });
});
