import axios, { type AxiosAdapter, AxiosError } from 'axios';
import { Balancer, type EndpointConfig } from 'express-ai-balancer';
import { useFakeClock } from './virtual-key';

useFakeClock();

const BODY = { model: 'gpt-4o', messages: [{ role: 'user' as const, content: 'x' }], max_tokens: 100 };

function balancerOf(adapter: AxiosAdapter, endpoints: Partial<EndpointConfig>[] = [{}]): Balancer {
  return new Balancer({
    endpoints: endpoints.map((endpoint, index) => ({
      name: `key-${index}`,
      model: 'gpt-4o',
      apiKey: 'sk-test',
      baseURL: 'http://upstream.invalid/v1',
      rpm: 600,
      tpm: 600_000,
      ...endpoint,
    })),
    hedge: false,
    retry: { maxAttempts: 1 },
    estimateTokens: () => 900,
    http: { axios: axios.create({ adapter }) },
  });
}

const status =
  (code: number, body: string, headers: Record<string, string> = {}): AxiosAdapter =>
  (config) =>
    Promise.resolve({
      status: code,
      statusText: '',
      headers: { 'content-type': 'application/json', ...headers },
      data: body,
      config,
    });

const FAILURES: Record<string, AxiosAdapter> = {
  'a 429': status(429, '{"error":{"message":"slow down"}}', { 'retry-after': '1' }),
  'a server error': status(500, '{"error":{"message":"oops"}}'),
  'an HTML page instead of an answer': status(200, '<html>'),
  'a 400': status(400, '{"error":{"message":"bad","type":"invalid_request_error"}}'),
  'a refused connection': (config) => Promise.reject(new AxiosError('refused', 'ECONNREFUSED', config)),
  'a reset connection': (config) => Promise.reject(new AxiosError('reset', 'ECONNRESET', config)),
  'no answer at all': () => new Promise(() => undefined),
  'an adapter that throws': () => {
    throw new TypeError('oops');
  },
};

test.each(Object.entries(FAILURES))(
  'after %s, no slot and no reservation is held, and the bucket is full again',
  async (_name, fail) => {
    const balancer = balancerOf(fail);
    const leaving = new AbortController();
    const calls = [
      balancer.chat(BODY, { timeoutMs: 5_000 }),
      balancer.chat(BODY, { timeoutMs: 5_000 }),
      balancer.chat(BODY, { signal: leaving.signal }),
    ];
    await jest.advanceTimersByTimeAsync(10);
    leaving.abort();
    const ends = Promise.allSettled(calls);
    await jest.advanceTimersByTimeAsync(90_000);
    for (const { status: end } of await ends) expect(end).toBe('rejected');
    const { queue, endpoints } = balancer.stats();
    expect(queue.size).toBe(0);
    expect(endpoints[0]).toMatchObject({ inFlight: 0, requestsLeft: 98, tokensLeft: 98_000 });
    await balancer.close();
  },
);

test('endpoints of one quota group share its quota and cool down together', async () => {
  const asked: string[] = [];
  const refuse = status(429, '{"error":{"message":"slow down"}}', { 'retry-after': '20' });
  const balancer = balancerOf(
    (config) => {
      asked.push(String(config.url));
      return refuse(config);
    },
    [{ quotaGroup: 'account' }, { quotaGroup: 'account', baseURL: 'http://other.invalid/v1' }],
  );
  await expect(balancer.chat(BODY, { timeoutMs: 3_000 })).rejects.toMatchObject({ status: 429 });
  await expect(balancer.chat(BODY, { timeoutMs: 3_000 })).rejects.toMatchObject({
    code: 'ERR_AI_UNAVAILABLE',
    retryAfterMs: expect.any(Number) as number,
  });
  expect(asked).toHaveLength(1);
  for (const { cooldownUntil } of balancer.stats().endpoints) expect(cooldownUntil).toBeDefined();
  await balancer.close();
});
