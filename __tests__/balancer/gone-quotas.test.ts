import axios, { type AxiosAdapter } from 'axios';
import { createBalancer, type EndpointConfig } from 'express-ai-balancer';
import { Quota } from '../../lib/quota/quota';

const BODY = { model: 'm', messages: [{ role: 'user' as const, content: 'Hello' }] };
const ANSWER = JSON.stringify({
  id: 'x',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hi' } }],
  usage: { prompt_tokens: 5, completion_tokens: 5, total_tokens: 10 },
});

const adapter: AxiosAdapter = (config) => {
  const data = new Response(ANSWER).body;
  return Promise.resolve({ data, status: 200, statusText: 'OK', headers: {}, config });
};
const http = { axios: axios.create({ adapter }) };
const endpoint = (name: string, more: Partial<EndpointConfig> = {}): EndpointConfig => ({
  name,
  model: 'm',
  baseURL: 'http://a.test',
  rpm: 60,
  ...more,
});

describe('Balancer.reload(): the quota of a removed endpoint', () => {
  it('keeps its level until the endpoint is added again, so that removing an endpoint does not refill its quota', async () => {
    const balancer = createBalancer({ logger: false, endpoints: [endpoint('a'), endpoint('b')], http });
    for (let n = 0; n < 6; n++) await balancer.chat(BODY, { endpoint: 'a' });
    const left = balancer.stats().endpoints[0]!.requestsLeft!;
    await balancer.reload({ endpoints: [endpoint('b')], http });
    await balancer.reload({ endpoints: [endpoint('a'), endpoint('b')], http });
    expect(balancer.stats().endpoints[0]!.requestsLeft! - left).toBeLessThanOrEqual(1);
    await balancer.close();
  });

  it('is dropped if it is full, as is that of its group, so that changing names do not use up memory', async () => {
    const closed = jest.spyOn(Quota.prototype, 'close');
    const balancer = createBalancer({ logger: false, endpoints: [endpoint('start')], http });
    for (let n = 0; n < 20; n++) {
      await balancer.reload({ endpoints: [endpoint(`e${n}`, { quotaGroup: `g${n}` })], http });
    }
    expect(closed).toHaveBeenCalledTimes(1 + 19 * 2);
    await balancer.close();
    closed.mockRestore();
  });

  it('is dropped before it is full once more than 1,000 such quotas are kept, the oldest first', async () => {
    const closed = jest.spyOn(Quota.prototype, 'close');
    // Used, and refills slowly.
    const many = Array.from({ length: 1_010 }, (_, n) => endpoint(`e${n}`, { rpd: 100 }));
    const balancer = createBalancer({ logger: false, endpoints: many, http });
    await Promise.all(many.map(({ name }) => balancer.chat(BODY, { endpoint: name })));
    await balancer.reload({ endpoints: [endpoint('other')], http });
    expect(closed).toHaveBeenCalledTimes(10);
    await balancer.close();
    closed.mockRestore();
  });
});
