import { AsyncLocalStorage } from 'node:async_hooks';
import axios, { type AxiosAdapter } from 'axios';
import { type Balancer, type BalancerConfig, createBalancer } from 'express-ai-balancer';

const BODY = { model: 'm', messages: [{ role: 'user' as const, content: 'Hello' }], max_tokens: 100 };
const ANSWER = {
  id: 'x',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hello' } }],
  usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
};
const CHUNK = {
  ...ANSWER,
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta: { content: 'Hi' }, finish_reason: 'stop' }],
};

const silent: AxiosAdapter = () => new Promise(() => undefined);

/** One endpoint with maxConcurrent 1, so that a second call waits. */
function onePlace(adapter: AxiosAdapter, config: Partial<BalancerConfig> = {}): Balancer {
  const balancer = createBalancer({
    logger: false,
    endpoints: [
      { name: 'a', model: 'm', apiKey: 'sk-test', baseURL: 'http://upstream.invalid', maxConcurrent: 1 },
    ],
    fallbacks: {},
    hedge: false,
    ...config,
    http: { axios: axios.create({ adapter }) },
  });
  open.push(balancer);
  return balancer;
}

const open: Balancer[] = [];
afterEach(async () => {
  for (const balancer of open.splice(0)) await balancer.close({ graceMs: 0 });
});

function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('A call that has waited in the queue', () => {
  it.each([false, true])('continues in the async context of its caller (stream: %s)', async (stream) => {
    const request = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const contexts: (string | undefined)[] = [];
    const balancer = onePlace(async (config) => {
      seen.push(request.getStore());
      await tick();
      const data = stream ? `data: ${JSON.stringify(CHUNK)}\n\ndata: [DONE]\n\n` : JSON.stringify(ANSWER);
      const type = stream ? 'text/event-stream' : 'application/json';
      return { data, status: 200, statusText: 'OK', headers: { 'content-type': type }, config };
    });
    balancer.on('call', () => contexts.push(request.getStore()));
    const send = (name: string) =>
      request.run(name, async () => {
        if (!stream) return balancer.chat(BODY);
        const chunks = [];
        for await (const chunk of await balancer.chat({ ...BODY, stream: true })) chunks.push(chunk);
        return chunks;
      });
    await Promise.all(['first', 'second', 'third'].map(send));
    expect(seen).toEqual(['first', 'second', 'third']);
    expect(contexts).toEqual(['first', 'second', 'third']);
  });

  it('and is aborted emits its event in the async context of its caller', async () => {
    const request = new AsyncLocalStorage<string>();
    const contexts: (string | undefined)[] = [];
    const balancer = onePlace(silent);
    balancer.on('call', () => contexts.push(request.getStore()));
    const leaving = new AbortController();
    const calls = ['first', 'second'].map((name) =>
      request.run(name, () => balancer.chat(BODY, { signal: leaving.signal })),
    );
    await tick();
    expect(balancer.stats().queue.size).toBe(1);
    request.run('whoever aborts', () => leaving.abort());
    await Promise.allSettled(calls);
    expect(contexts.sort()).toEqual(['first', 'second']);
  });

  it('reports how long it waited', async () => {
    const balancer = onePlace(async (config) => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return { data: JSON.stringify(ANSWER), status: 200, statusText: 'OK', headers: {}, config };
    });
    const first = balancer.chat(BODY).withRoute();
    const second = balancer.chat(BODY).withRoute();
    expect((await first).route.waitMs).toBe(0);
    expect((await second).route.waitMs).toBeGreaterThanOrEqual(40);
  });
});

test('calls that a listener sends while others are shed do not corrupt the queue', async () => {
  const balancer = onePlace(silent, { queue: { maxSize: 10 } });
  const leaving = new AbortController();
  const options = { signal: leaving.signal };
  let sent = 0;
  const ends: Promise<unknown>[] = [];
  balancer.on('call', ({ code }) => {
    if (code === 'ERR_AI_SATURATED' && sent++ < 50)
      ends.push(balancer.chat(BODY, { ...options, priority: 5 }));
  });
  for (let n = 0; n < 30; n++) ends.push(balancer.chat(BODY, { ...options, priority: ((n % 4) + 1) as 1 }));
  await tick();
  await tick();
  expect(balancer.stats().queue).toEqual({ size: 10, byPriority: { 1: 0, 2: 0, 3: 0, 4: 0, 5: 10 } });
  leaving.abort();
  const codes = (await Promise.allSettled(ends)).map((end) =>
    end.status === 'rejected' ? (end.reason as { code: string }).code : undefined,
  );
  expect(codes.filter((code) => code === 'ERR_AI_ABORTED')).toHaveLength(11);
  expect(codes.filter((code) => code === 'ERR_AI_SATURATED')).toHaveLength(ends.length - 11);
  expect(balancer.stats().queue.size).toBe(0);
});
