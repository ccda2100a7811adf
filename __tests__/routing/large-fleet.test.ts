import axios, { type InternalAxiosRequestConfig } from 'axios';
import { type Balancer, createBalancer } from '../../lib/balancer/balancer';
import type { EndpointConfig } from '../../lib/index';

const SIZE = 300;
const MESSAGES = [{ role: 'user' as const, content: 'hi' }];

/** Creates a balancer over a large fleet whose endpoints answer at once, and counts the calls by endpoint. */
function largeFleet(differs: (index: number) => Partial<EndpointConfig>): {
  balancer: Balancer;
  counts: Map<string, number>;
} {
  const counts = new Map<string, number>();
  const data = JSON.stringify({
    id: 'x',
    object: 'chat.completion',
    created: 0,
    model: 'gpt-4o',
    choices: [
      { index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'ok', refusal: null } },
    ],
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
  });
  const adapter = (config: InternalAxiosRequestConfig) => {
    const name = new URL(config.url ?? '').hostname;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    return Promise.resolve({ status: 200, statusText: '', headers: {}, config, data });
  };
  const endpoints = Array.from({ length: SIZE }, (_, index) => ({
    name: `e${index}`,
    model: 'gpt-4o',
    baseURL: `http://e${index}`,
    apiKey: 'k',
    ...differs(index),
  }));
  return { balancer: createBalancer({ endpoints, http: { axios: axios.create({ adapter }) } }), counts };
}

async function askTimes(balancer: Balancer, times: number, options = {}): Promise<void> {
  for (let n = 0; n < times; n++) await balancer.chat({ model: 'gpt-4o', messages: MESSAGES }, options);
}

describe('In a fleet of 300 endpoints, of which each decision considers a sample,', () => {
  it('a call starts at once at the only endpoint that can start it', async () => {
    const { balancer, counts } = largeFleet((index) => (index === 217 ? {} : { weight: 0 }));
    await askTimes(balancer, 20);
    expect([...counts]).toEqual([['e217', 20]]);
    await balancer.close();
  });

  it('a call goes only to endpoints that pass its filters, however few they are', async () => {
    const { balancer, counts } = largeFleet((index) => ({ quality: index % 100 === 7 ? 0.95 : 0.5 }));
    await askTimes(balancer, 60, { minQuality: 0.9 });
    expect([...counts.keys()].every((name) => ['e7', 'e107', 'e207'].includes(name))).toBe(true);
    await balancer.close();
  });

  it('an error names the filters when no endpoint passes them', async () => {
    const { balancer } = largeFleet(() => ({ quality: 0.5 }));
    await expect(
      balancer.chat({ model: 'gpt-4o', messages: MESSAGES }, { minQuality: 0.9 }),
    ).rejects.toMatchObject({
      code: 'ERR_AI_NO_ENDPOINT',
      message: expect.stringContaining('quality: 0.5 is below 0.9') as string,
    });
    await balancer.close();
  });

  it('a later tier gets no call while the first one can start it', async () => {
    const { balancer, counts } = largeFleet((index) => ({ tier: index < 100 ? 0 : 1 }));
    await askTimes(balancer, 100);
    expect([...counts.keys()].every((name) => Number(name.slice(1)) < 100)).toBe(true);
    await balancer.close();
  });

  it('an endpoint with a high configured weight gets most calls, as in a small fleet', async () => {
    const { balancer, counts } = largeFleet((index) => (index === 42 ? { weight: 100 } : {}));
    await askTimes(balancer, 200);
    // Other endpoints serve until it is drawn for the first time.
    expect(counts.get('e42') ?? 0).toBeGreaterThan(100);
    await balancer.close();
  });

  it('explain() compares all endpoints', async () => {
    const { balancer } = largeFleet((index) => (index === 5 ? { weight: 0 } : {}));
    const { verdicts } = balancer.explain({ model: 'gpt-4o', messages: MESSAGES });
    expect(verdicts.filter(({ score }) => score !== undefined)).toHaveLength(SIZE - 1);
    expect(verdicts.find(({ endpoint }) => endpoint === 'e5')?.removedBy).toMatch(/^weight: /);
    await balancer.close();
  });

  it('the report of a call lists every endpoint, and those of the sample with scores', async () => {
    const { balancer } = largeFleet(() => ({}));
    const { route } = await balancer.chat({ model: 'gpt-4o', messages: MESSAGES }).withRoute();
    expect(route.why).toHaveLength(SIZE);
    expect(route.why.some(({ endpoint, score }) => endpoint === route.endpoint && score !== undefined)).toBe(
      true,
    );
    expect(route.why.filter(({ removedBy }) => /not in the sample/.test(removedBy ?? '')).length).toBe(
      SIZE - 48,
    );
    await balancer.close();
  });
});
