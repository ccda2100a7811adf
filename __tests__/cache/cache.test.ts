import { type CacheOptions, type ChatBody, type ChatCompletion, createBalancer } from 'express-ai-balancer';
import type { ResolvedCacheOptions } from '../../lib/cache/options';
import { ResponseCache } from '../../lib/cache/response-cache';
import type { Call } from '../../lib/call/call';
import {
  answer,
  BODY,
  error,
  event,
  json,
  type Responder,
  Rig,
  rejection,
  startStream,
  type UpstreamRequest,
} from '../failover/upstream';

const rig = new Rig();
const COLD = { ...BODY, temperature: 0 };

/** Each answer has another text. */
const counted: Responder = (arrival) => answer(`answer ${arrival.nth}`)(arrival);

const vectors: Responder = (arrival: UpstreamRequest) => {
  const { input } = arrival.body as { input: string | string[] };
  const data = [input]
    .flat()
    .map((text, index) => ({ object: 'embedding', index, embedding: [text.length, 1] }));
  json(arrival, 200, { object: 'list', data, model: 'm', usage: { prompt_tokens: 3, total_tokens: 3 } });
};

async function start(responder: Responder = counted, cache: CacheOptions = {}) {
  const started = await rig.start({ a: responder }, { cache });
  const ask = async (body: ChatBody = COLD, options = {}) => {
    const { data, route } = await started.balancer.chat({ ...body, stream: false }, options).withRoute();
    return { text: data.choices[0]?.message.content, route };
  };
  const read = async (body: ChatBody = COLD) => {
    const { data, route } = await started.balancer.chat({ ...body, stream: true }).withRoute();
    let text = '';
    let hasUsage = false;
    for await (const chunk of data) {
      text += chunk.choices[0]?.delta.content ?? '';
      hasUsage ||= chunk.usage !== undefined;
    }
    return { text, hasUsage, route };
  };
  return { ...started, ask, read };
}

/** A stream's answer is stored once it has ended. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe('The response cache', () => {
  it('answers an equal call without calling an endpoint and at no cost', async () => {
    const { ask, upstream, balancer } = await start();
    expect((await ask()).text).toBe('answer 1');
    const { text, route } = await ask();
    expect(text).toBe('answer 1');
    expect(route).toMatchObject({ shared: 'cached', endpoint: 'a', attempts: [], costUsd: 0, waitMs: 0 });
    expect(upstream.requests).toHaveLength(1);
    expect(balancer.stats().calls.ok).toBe(2);
  });

  it('ignores the order of the fields of a body', async () => {
    const { ask, upstream } = await start();
    await ask({ model: 'm', temperature: 0, messages: [{ role: 'user', content: 'x' }] });
    await ask({ messages: [{ content: 'x', role: 'user' }], temperature: 0, model: 'm' });
    expect(upstream.requests).toHaveLength(1);
  });

  it.each([
    ['another body', { ...COLD, messages: [{ role: 'user', content: 'other' }] }, {}],
    ['another tenant', COLD, { tenant: 'b' }],
    ['another context', COLD, { minQuality: 0 }],
    ['another endpoint', COLD, { endpoint: 'a' }],
    ['an unknown field', { ...COLD, unknown: 1 }, {}],
  ])('sends a call with %s to an endpoint', async (_what, body, options) => {
    const { ask, upstream } = await start();
    await ask();
    await ask(body, options);
    expect(upstream.requests).toHaveLength(2);
  });

  it('is used for temperature 0, a seed and embeddings, unless the option of the call says otherwise', async () => {
    const { ask, upstream, balancer } = await start();
    const isCached = async (body: ChatBody, options = {}): Promise<boolean> => {
      await ask(body, options);
      const before = upstream.requests.length;
      await ask(body, options);
      return upstream.requests.length === before;
    };
    expect(await isCached(COLD)).toBe(true);
    expect(await isCached({ ...BODY, seed: 7 } as ChatBody)).toBe(true);
    expect(await isCached(BODY)).toBe(false);
    expect(await isCached(BODY, { cache: true })).toBe(true);
    expect(await isCached(COLD, { cache: false })).toBe(false);
    upstream.play('a', vectors);
    for (let n = 0; n < 2; n++) await balancer.embeddings({ model: 'm', input: 'text' });
    expect(upstream.requests.filter(({ body }) => 'input' in body)).toHaveLength(1);
  });

  it("with calls: 'all' is used for every call, unless the option of the call is false", async () => {
    const { ask, upstream, balancer } = await start(counted, { calls: 'all' });
    expect((await ask(BODY)).text).toBe('answer 1');
    expect((await ask(BODY)).route.shared).toBe('cached');
    expect((await ask({ ...BODY, temperature: 1 })).text).toBe('answer 2');
    expect((await ask({ ...BODY, temperature: 1 })).text).toBe('answer 2');
    expect((await ask(BODY, { cache: false })).route.shared).toBeUndefined();
    expect(upstream.requests).toHaveLength(3);
    expect(() => createBalancer({ endpoints: [], cache: { calls: 'some' as 'all' } })).toThrow(
      /cache\.calls: expected one of 'deterministic', 'all'/,
    );
    expect(balancer.stats().calls.ok).toBe(5);
  });

  it('is off unless it is configured', async () => {
    const { balancer, upstream } = await rig.start({ a: counted });
    for (let n = 0; n < 2; n++) await balancer.chat(COLD, { cache: true });
    expect(upstream.requests).toHaveLength(2);
  });

  it('gives every caller its own copy of an answer', async () => {
    const { balancer } = await start();
    for (let n = 0; n < 3; n++) {
      const given = await balancer.chat(COLD);
      expect(given.id).toBe('x');
      given.id = 'changed';
    }
  });

  it.each([
    ['a refusal', { message: { role: 'assistant', content: null, refusal: 'no' }, finish_reason: 'stop' }],
    [
      'an answer cut off by the output limit',
      { message: { role: 'assistant', content: 'half' }, finish_reason: 'length' },
    ],
    ['a filtered answer', { message: { role: 'assistant', content: 'x' }, finish_reason: 'content_filter' }],
  ])('does not store %s', async (_what, choice) => {
    const { ask, upstream } = await start((arrival) =>
      json(arrival, 200, {
        id: 'x',
        object: 'chat.completion',
        created: 1,
        model: 'm',
        choices: [{ index: 0, ...choice }],
      }),
    );
    for (let n = 0; n < 2; n++) await ask();
    expect(upstream.requests).toHaveLength(2);
  });
});

describe('A cached stream', () => {
  it('is replayed to later streams, with usage if requested, and to calls that are not streamed', async () => {
    const { ask, read, upstream } = await start();
    expect(await read()).toMatchObject({ text: 'answer 1', hasUsage: false });
    await settled();
    expect(await read({ ...COLD, stream_options: { include_usage: true } })).toMatchObject({
      text: 'answer 1',
      hasUsage: true,
      route: { shared: 'cached' },
    });
    expect((await ask()).text).toBe('answer 1');
    expect(upstream.requests).toHaveLength(1);
  });

  it('can come from the answer to a call that was not streamed', async () => {
    const { ask, read, upstream } = await start();
    await ask();
    expect((await read()).text).toBe('answer 1');
    expect(upstream.requests).toHaveLength(1);
  });

  it('is not stored if it broke off or its reader left early', async () => {
    const broken: Responder = (arrival) => {
      startStream(arrival, 'half');
      setTimeout(() => arrival.res.destroy(), 10);
    };
    const { read, upstream, balancer } = await start(broken);
    expect(await rejection(read())).toMatchObject({ code: 'ERR_AI_STREAM_BROKEN' });
    const endless: Responder = (arrival) => {
      startStream(arrival, 'first');
      arrival.res.write(
        event({ choices: [{ index: 0, delta: { content: 'second' }, finish_reason: null }] }),
      );
    };
    upstream.play('a', endless);
    const left = (await balancer.chat({ ...COLD, stream: true }))[Symbol.asyncIterator]();
    await left.next();
    await left.return?.();
    upstream.play('a', answer('fresh'));
    expect((await read()).text).toBe('fresh');
  });
});

describe('A cached answer', () => {
  const advance = (ms: number): void => {
    const from = Date.now();
    jest.spyOn(Date, 'now').mockImplementation(() => from + ms);
  };
  afterEach(() => jest.restoreAllMocks());

  it('is served for at most ttlMs', async () => {
    const { ask } = await start(counted, { ttlMs: 60_000 });
    await ask();
    advance(50_000);
    expect((await ask()).text).toBe('answer 1');
    advance(61_000);
    expect((await ask()).text).toBe('answer 2');
  });

  it('is served for staleIfErrorMs longer in an outage, which the route report shows', async () => {
    const { ask, read, upstream } = await start(counted, { ttlMs: 60_000, staleIfErrorMs: 60_000 });
    await ask();
    advance(90_000);
    upstream.play('a', error(503));
    const { text, route } = await ask(COLD, { timeoutMs: 1_500 });
    expect(text).toBe('answer 1');
    expect(route.shared).toBe('stale');
    expect(route.attempts[0]).toMatchObject({ endpoint: 'a', class: 'server' });
    expect(await read()).toMatchObject({ text: 'answer 1', route: { shared: 'stale' } });
    advance(130_000);
    expect(await rejection(ask(COLD, { timeoutMs: 1_500 }))).toBeInstanceOf(Error);
  });

  it('is not served in place of an error that the caller caused', async () => {
    const { ask, upstream } = await start(counted, { ttlMs: 60_000, staleIfErrorMs: 60_000 });
    await ask();
    advance(90_000);
    upstream.play('a', error(400));
    expect(await rejection(ask())).toMatchObject({ code: 'ERR_AI_BAD_REQUEST' });
  });
});

describe('Cached embeddings', () => {
  it('are stored per input, so that only new inputs are sent, and are returned in the order of the call', async () => {
    const { balancer, upstream } = await start(vectors);
    await balancer.embeddings({ model: 'm', input: ['a', 'bbb'] });
    const { data, usage } = await balancer.embeddings({ model: 'm', input: ['bbb', 'cccc', 'a'] });
    expect(upstream.requests.map(({ body }) => body['input'])).toEqual([['a', 'bbb'], ['cccc']]);
    expect(data.map(({ index, embedding }) => [index, embedding[0]])).toEqual([
      [0, 3],
      [1, 4],
      [2, 1],
    ]);
    expect(usage.prompt_tokens).toBe(3);
    const cached = await balancer.embeddings({ model: 'm', input: ['cccc', 'a'] }).withRoute();
    expect(cached.route.shared).toBe('cached');
    expect(cached.data.data.map(({ embedding }) => embedding[0])).toEqual([4, 1]);
    expect(upstream.requests).toHaveLength(2);
  });

  it('are stored separately for each number of dimensions', async () => {
    const { balancer, upstream } = await start(vectors);
    await balancer.embeddings({ model: 'm', input: 'a' });
    await balancer.embeddings({ model: 'm', input: 'a', dimensions: 8 });
    expect(upstream.requests).toHaveLength(2);
  });
});

describe('The size of the cache', () => {
  it('is bounded by maxBytes: the least recently used answer is evicted first', async () => {
    const { ask } = await start((arrival) => answer('x'.repeat(1_000))(arrival), { maxBytes: 9_500 });
    const body = (content: string): ChatBody => ({ ...COLD, messages: [{ role: 'user', content }] });
    const isCached = async (content: string): Promise<boolean> =>
      (await ask(body(content))).route.shared === 'cached';
    for (const content of ['1', '2', '3']) await ask(body(content));
    expect(await isCached('1')).toBe(true);
    await ask(body('4'));
    expect(await isCached('2')).toBe(false);
    expect(await isCached('1')).toBe(true);
  });
});

describe('The response cache stores', () => {
  it('no answer that is longer than 4 MiB, and none to a body that is not JSON', async () => {
    const set = jest.fn();
    const failed = jest.fn();
    const options = { ttlMs: 1_000, staleIfErrorMs: 0 } as ResolvedCacheOptions;
    const cache = new ResponseCache({ get: () => undefined, set }, options, failed);
    const callOf = (body: object) => ({ operation: 'chat', body, context: {} }) as unknown as Call;
    const answerOf = (content: string) =>
      ({ choices: [{ index: 0, finish_reason: 'stop', message: { content } }] }) as unknown as ChatCompletion;
    const route = { endpoint: 'a', provider: 'openai', model: 'm' };
    cache.store(callOf(COLD), answerOf('x'.repeat(4 * 2 ** 20)), route);
    cache.store(callOf({ ...COLD, seed: 1n }), answerOf('x'), route);
    expect(await cache.find(callOf({ ...COLD, seed: 1n }))).toBeUndefined();
    expect(set).not.toHaveBeenCalled();
    cache.store(callOf(COLD), answerOf('x'), route);
    expect(set).toHaveBeenCalledTimes(1);
    expect(failed).not.toHaveBeenCalled();
  });

  it('no answer to a Responses call, whatever its options say', async () => {
    const { balancer, upstream } = await start();
    for (let n = 1; n <= 2; n++)
      expect((await balancer.responses({ model: 'm', input: 'Hi' }, { cache: true })).output_text).toBe(
        `answer ${n}`,
      );
    expect(upstream.requests).toHaveLength(2);
  });
});

describe('A cache store of the application', () => {
  it.each([['7'], ['{"data":7,"route":{}}'], ['{"data":{},"route":7}'], ['{"data":{},"route":{}}']])(
    'is not used for a value that is no stored answer: %s',
    async (value) => {
      const { ask } = await start(counted, { get: () => value, set: () => undefined });
      expect((await ask()).text).toBe('answer 1');
    },
  );

  it('gets keys that contain no prompt, and values with their time to live', async () => {
    const kept = new Map<string, string>();
    const ttls: number[] = [];
    const { ask, upstream } = await start(counted, {
      ttlMs: 1_000,
      staleIfErrorMs: 500,
      get: (key) => Promise.resolve(kept.get(key)),
      set: (key, value, ttlMs) => {
        ttls.push(ttlMs);
        kept.set(key, value);
      },
    });
    await ask();
    expect((await ask()).route.shared).toBe('cached');
    expect(upstream.requests).toHaveLength(1);
    expect(ttls).toEqual([1_500]);
    expect([...kept.keys()].join()).toMatch(/^[\w-]{43}$/);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('down');
      },
    ],
    ['rejects', () => Promise.reject(new Error('down'))],
    ['hangs', () => new Promise<undefined>(() => undefined)],
    ['returns malformed JSON', () => '{"data":'],
  ])('that %s makes no call fail and causes a single warning', async (_what, get) => {
    const warn = jest.fn<undefined, [object, string]>();
    const none = jest.fn();
    const { balancer } = await rig.start(
      { a: counted },
      { cache: { get, set: () => undefined }, logger: { debug: none, info: none, warn, error: none } },
    );
    for (let n = 1; n <= 2; n++)
      expect((await balancer.chat(COLD)).choices[0]!.message.content).toBe(`answer ${n}`);
    expect(warn.mock.calls.map(([, line]) => line).filter((line) => line.includes('cache'))).toHaveLength(1);
  });
});

describe('The response cache with hooks', () => {
  it('stores the answer of the endpoint, and passes it to the hooks of each call', async () => {
    const after = jest.fn((_call: unknown, given: unknown) => {
      // In place, as a hook should not.
      (given as { choices: { message: { content: string } }[] }).choices[0]!.message.content += '!';
    });
    const { balancer } = await rig.start({ a: answer('Hi') }, { cache: {}, hooks: { after } });
    for (let n = 0; n < 3; n++) expect((await balancer.chat(COLD)).choices[0]!.message.content).toBe('Hi!');
    expect(after).toHaveBeenCalledTimes(3);
  });

  it('does not store an answer that a hook has refused', async () => {
    const { balancer, upstream } = await rig.start(
      { a: answer() },
      { cache: {}, hooks: { after: () => ({ refuse: { message: 'no' } }) } },
    );
    for (let n = 0; n < 2; n++) await rejection(balancer.chat(COLD));
    expect(upstream.requests).toHaveLength(2);
  });
});

describe('The configuration of the cache', () => {
  it('refuses get without set, and Redis without a cluster', () => {
    const config = { endpoints: [{ name: 'a', model: 'm', apiKey: 'k' }] };
    expect(() => createBalancer({ ...config, cache: { get: () => undefined } })).toThrow(
      'cache: expected both get and set, or neither',
    );
    expect(() => createBalancer({ ...config, cache: { redis: true } })).toThrow(
      'cache.redis: expected cluster to be configured',
    );
  });

  it('can be reloaded without losing the stored answers', async () => {
    const { ask, balancer, endpoints, upstream } = await start();
    await ask();
    await balancer.reload({ endpoints, fallbacks: {}, logger: false, cache: {} });
    await ask();
    expect(upstream.requests).toHaveLength(1);
  });
});
