import type {
  Balancer,
  BalancerConfig,
  EndpointConfig,
  ShadowEvent,
  ShadowOptions,
  ShadowPair,
} from 'express-ai-balancer';
import type { ProviderOptions, SimulatedProvider } from 'express-ai-balancer/simulator';
import { endpointAt, HELLO, Rig, until } from '../helpers/provider';

const rig = new Rig();
/** One US dollar for 1,000 tokens, prompt or output. */
const PRICE = { input: 1_000, output: 1_000 };

/** A call of 6 prompt tokens and 4 output tokens: it costs one cent. */
const CENT = {
  ...HELLO,
  max_tokens: 4,
  metadata: { simulate_prompt_tokens: '6', simulate_output_tokens: '4' },
};

function provider(model: string, more: ProviderOptions = {}): Promise<SimulatedProvider> {
  return rig.provider({ models: { [model]: { price: PRICE } }, ...more });
}

interface Setup {
  readonly balancer: Balancer;
  readonly live: SimulatedProvider;
  readonly copies: SimulatedProvider;
  readonly events: ShadowEvent[];
}

/** A live endpoint, and a second one that gets a copy of every call and no calls of its own. */
async function start(
  shadow: Partial<ShadowOptions> = {},
  {
    upstream = {},
    endpoint = {},
    config = {},
  }: {
    upstream?: ProviderOptions;
    endpoint?: Partial<EndpointConfig>;
    config?: Partial<BalancerConfig>;
  } = {},
): Promise<Setup> {
  const live = await provider('gpt-4o');
  const copies = await provider('gpt-4.1', upstream);
  const balancer = rig.balancer(
    [
      endpointAt(live, { name: 'live', price: PRICE }),
      endpointAt(copies, { name: 'next', model: 'gpt-4.1', price: PRICE, weight: 0, ...endpoint }),
    ],
    {
      shadow: { endpoint: 'next', share: 1, usdPerDay: 1_000, ...shadow },
      estimateTokens: () => 6,
      ...config,
    },
  );
  const events: ShadowEvent[] = [];
  balancer.on('shadow', (event) => events.push(event));
  return { balancer, live, copies, events };
}

const HANGS: ProviderOptions = { models: { 'gpt-4.1': { ttftMs: 60_000 } }, timeScale: 1 };

describe('A shadow', () => {
  it('gets a copy of each call of its share, and compare() gets both answers', async () => {
    const pairs: ShadowPair[] = [];
    const { balancer, copies, events } = await start({ compare: (pair) => void pairs.push(pair) });
    const { data, route } = await balancer.chat(CENT, { tenant: 'acme' }).withRoute();
    expect(route).toMatchObject({ endpoint: 'live', model: 'gpt-4o' });
    await until(() => pairs.length === 1);
    const [pair] = pairs;
    expect(pair?.call).toMatchObject({ requestId: route.requestId, context: { tenant: 'acme' } });
    expect(pair?.call.body.messages).toEqual(HELLO.messages);
    expect(pair?.live).toMatchObject({ endpoint: 'live', model: 'gpt-4o', costUsd: 0.01 });
    expect(pair?.live.answer).toEqual(data);
    expect(pair?.shadow).toMatchObject({ endpoint: 'next', model: 'gpt-4.1', costUsd: 0.01 });
    expect(pair?.shadow.answer?.model).toBe('gpt-4.1');
    expect(copies.requests[0]?.body).toMatchObject({
      model: 'gpt-4.1',
      messages: HELLO.messages,
      max_tokens: 4,
    });
    const { requestId } = route;
    expect(events).toEqual([
      expect.objectContaining({
        requestId,
        endpoint: 'next',
        model: 'gpt-4.1',
        costUsd: 0.01,
        liveCostUsd: 0.01,
      }),
    ]);
    expect(JSON.stringify(events)).not.toContain('parcel');
  });

  it('gets copies of its configured share of calls', async () => {
    const { balancer, live, copies } = await start({ share: 0.2, maxConcurrent: 1_000 });
    for (let n = 0; n < 20; n++) {
      const calls = Array.from({ length: 25 }, (_, at) =>
        balancer.chat(CENT, { requestId: `call ${n * 25 + at}` }),
      );
      await Promise.all(calls);
    }
    await until(() => balancer.stats().shadow?.running === 0);
    expect(live.stats().seen).toBe(500);
    expect(copies.stats().seen).toBeGreaterThan(60);
    expect(copies.stats().seen).toBeLessThan(140);
  });

  it('gets a copy of a streamed call, without streaming, after its reader has received the whole answer', async () => {
    const pairs: ShadowPair[] = [];
    const { balancer, copies } = await start({ compare: (pair) => void pairs.push(pair) });
    const stream = await balancer.chat({
      ...CENT,
      stream: true as const,
      stream_options: { include_usage: true },
    });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    await until(() => pairs.length === 1);
    expect(text).not.toBe('');
    expect(pairs[0]?.live.answer.choices[0]?.message.content).toBe(text);
    expect(copies.requests[0]?.body).not.toHaveProperty('stream_options');
    expect((copies.requests[0]?.body as { stream?: boolean }).stream ?? false).toBe(false);
    const left = await balancer.chat({ ...CENT, stream: true as const });
    left.abort();
    await balancer.chat(CENT);
    await until(() => pairs.length === 2);
    expect(copies.stats().seen).toBe(2);
  });

  it('does not affect the figures of live calls: calls, attempts, health, latency, breaker, budgets', async () => {
    const { balancer, copies, events } = await start(
      {},
      { config: { budgets: { usdPerDay: 100, perTenant: { usdPerDay: 50 } }, quotaGroups: undefined } },
    );
    let ended = 0;
    balancer.on('attempt', () => ended++);
    balancer.on('call', () => ended++);
    await balancer.chat(CENT, { tenant: 'acme' });
    await until(() => events.length === 1);
    copies.fault({ kind: 'err5xx', share: 1 });
    await balancer.chat(CENT, { tenant: 'acme' });
    await until(() => events.length === 2);
    expect(events.map(({ failure }) => failure)).toEqual([undefined, 'server']);
    expect(ended).toBe(4);
    const { calls, endpoints, budgets, shadow } = balancer.stats();
    expect(calls).toEqual({ ok: 2, failed: 0, shed: 0 });
    const next = endpoints.find(({ name }) => name === 'next');
    expect(next).toMatchObject({ state: 'closed', inFlight: 0, failures: 0, averageLatencyMs: undefined });
    expect(budgets).toMatchObject([
      { scope: 'total', spentUsd: 0.02 },
      { scope: 'shadow', name: 'next', spentUsd: expect.any(Number) as number },
    ]);
    expect(balancer.tenantBudgets('acme')[0]?.spentUsd).toBeCloseTo(0.02, 6);
    expect(shadow).toMatchObject({ name: 'next', running: 0, answered: 1, failed: 1 });
  });

  it('never opens the breaker when it fails, and gets no copies for a while after a failure', async () => {
    const { balancer, copies, events } = await start({}, { endpoint: { weight: 1, tier: 1 } });
    copies.fault({ kind: 'err5xx', share: 1 });
    await balancer.chat(CENT);
    await until(() => events.length === 1);
    for (let n = 0; n < 12; n++) await balancer.chat(CENT);
    expect(copies.stats().seen).toBe(1);
    expect(balancer.stats().shadow?.skipped.capacity).toBeGreaterThan(0);
    expect(balancer.endpoint('next').state).toBe('closed');
  });

  it('never delays a live call, runs at most maxConcurrent copies, and is aborted by close()', async () => {
    const { balancer, copies, events } = await start({ maxConcurrent: 2 }, { upstream: HANGS });
    for (let n = 0; n < 10; n++) await balancer.chat(CENT);
    expect(balancer.stats().shadow).toMatchObject({ running: 2, skipped: { concurrency: 8 } });
    await until(() => copies.stats().seen === 2);
    await balancer.close();
    expect(events).toEqual([]);
  });

  it('stops at its own budget, which is separate from the others', async () => {
    const { balancer, copies, events } = await start(
      { usdPerDay: 0.05 },
      { config: { budgets: { usdPerDay: 100 } } },
    );
    for (let n = 0; n < 12; n++) {
      await balancer.chat(CENT);
      await until(() => balancer.stats().shadow?.running === 0);
    }
    expect(copies.stats().usd).toBeCloseTo(0.05, 6);
    expect(balancer.stats().shadow).toMatchObject({ answered: 5, skipped: { budget: 7 } });
    expect(balancer.stats().calls.ok).toBe(12);
    expect(events).toHaveLength(5);
  });

  it('has a default budget of one dollar per day', async () => {
    const { balancer } = await start({ usdPerDay: undefined });
    expect(balancer.stats().budgets).toMatchObject([{ scope: 'shadow', limit: 'usdPerDay', limitUsd: 1 }]);
  });

  it('leaves half of a shared quota to live calls', async () => {
    const { balancer, copies } = await start(
      { maxConcurrent: 100 },
      { endpoint: { rpm: 6, burstSeconds: 600 } },
    );
    for (let n = 0; n < 60; n++) await balancer.chat(CENT);
    await until(() => balancer.stats().shadow?.running === 0);
    expect(copies.stats().seen).toBeGreaterThanOrEqual(29);
    expect(copies.stats().seen).toBeLessThanOrEqual(33);
  });

  it.each<[string, Partial<EndpointConfig>]>([
    ['whose answers may be too short', { maxOutputTokens: 3 }],
    ['whose context window may be too small', { contextWindow: 3 }],
    ['that could serve no live call beside the copy', { maxConcurrent: 1 }],
  ])('gets no copies at an endpoint %s', async (_name, endpoint) => {
    const { balancer, copies } = await start({}, { endpoint });
    await balancer.chat(CENT);
    expect(balancer.stats().shadow).toMatchObject({ running: 0, skipped: { capacity: 1 } });
    expect(copies.stats().seen).toBe(0);
  });

  it('gets no copies at an endpoint that is disabled', async () => {
    const { balancer, copies } = await start();
    balancer.endpoint('next').disable();
    await balancer.chat(CENT);
    expect(balancer.stats().shadow).toMatchObject({ running: 0, skipped: { capacity: 1 } });
    expect(copies.stats().seen).toBe(0);
  });

  it('gets no copies of embeddings and Responses calls', async () => {
    const { live, copies } = await start();
    const embedder = await rig.provider({ models: { 'text-embedding-3-small': {} } });
    const balancer = rig.balancer(
      [
        endpointAt(live, { name: 'live' }),
        endpointAt(embedder, { name: 'vectors', model: 'text-embedding-3-small' }),
        endpointAt(copies, { name: 'next', model: 'gpt-4.1', weight: 0 }),
      ],
      { shadow: { endpoint: 'next', share: 1 } },
    );
    await balancer.embeddings({ model: 'text-embedding-3-small', input: 'a' });
    await balancer.responses({ model: 'gpt-4o', input: 'Hi' });
    expect(balancer.stats().shadow).toMatchObject({ running: 0, skipped: { capacity: 0 } });
    expect(copies.stats().seen).toBe(0);
  });

  it('has an event without costs if the prices of both models are unknown', async () => {
    const upstream = await rig.provider({ models: { 'own-1': {}, 'own-2': {} } });
    const balancer = rig.balancer(
      [
        endpointAt(upstream, { name: 'live', model: 'own-1' }),
        endpointAt(upstream, { name: 'next', model: 'own-2', weight: 0 }),
      ],
      { shadow: { endpoint: 'next', share: 1 } },
    );
    const events: ShadowEvent[] = [];
    balancer.on('shadow', (event) => events.push(event));
    await balancer.chat({ ...CENT, model: 'own-1' });
    await until(() => events.length === 1);
    expect(events[0]).not.toHaveProperty('costUsd');
    expect(events[0]).not.toHaveProperty('liveCostUsd');
  });

  it('uses no quota for which a live call is waiting', async () => {
    const estimateTokens = (sent: object) =>
      Number((sent as { metadata: Record<string, string> }).metadata.simulate_prompt_tokens);
    const { balancer, copies } = await start(
      {},
      { endpoint: { weight: 1, tpm: 1_200, burstSeconds: 50 }, config: { fallbacks: {}, estimateTokens } },
    );
    const ask = (prompt: number, signal?: AbortSignal) => {
      const metadata = { simulate_prompt_tokens: `${prompt}`, simulate_output_tokens: '4' };
      return balancer.chat({ ...CENT, model: 'gpt-4.1', metadata }, signal ? { signal } : {});
    };
    // Of a bucket of 1,000 tokens some 600 are left: enough for a copy, but not for the call that waits.
    await ask(396);
    const abort = new AbortController();
    const waiting = ask(900, abort.signal).catch(() => undefined);
    await until(() => balancer.stats().queue.size === 1);
    await balancer.chat(CENT);
    expect(balancer.stats().shadow).toMatchObject({ running: 0, skipped: { capacity: 1 } });
    abort.abort();
    await waiting;
    await balancer.chat(CENT);
    await until(() => balancer.stats().shadow?.answered === 1);
    expect(copies.stats().seen).toBe(2);
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('no judge'))],
    [
      'throws',
      () => {
        throw new Error('no judge');
      },
    ],
    ['hangs', () => new Promise(() => undefined)],
  ])('logs a warning if compare() %s, and live calls continue', async (_what, compare) => {
    const warnings: string[] = [];
    const nothing = () => undefined;
    const warn = (_fields: object, message: string) => void warnings.push(message);
    const { balancer } = await start(
      { compare, timeoutMs: 2_000 },
      { config: { logger: { debug: nothing, info: nothing, warn, error: nothing } } },
    );
    await balancer.chat(CENT);
    await until(() => warnings.length === 1);
    expect(warnings[0]).toContain('shadow.compare() failed');
    await until(() => balancer.stats().shadow?.running === 0);
    await balancer.chat(CENT);
  });

  it('gets no copy of a call that it served itself, that no endpoint served, or whose tags it does not have', async () => {
    const { balancer, copies, live } = await start(
      { model: 'gpt-4.1', endpoint: undefined },
      {
        endpoint: { weight: 1, tags: ['us'] },
        config: {
          cache: {},
          hooks: {
            before: ({ context }) =>
              context.tenant === 'answered' ? { answer: { choices: [] } as never } : undefined,
          },
        },
      },
    );
    await balancer.chat({ ...CENT, model: 'gpt-4.1' });
    expect(copies.stats().seen).toBe(1);
    await balancer.chat(CENT, { tenant: 'answered' });
    const seeded = { ...CENT, temperature: 0 };
    await balancer.chat(seeded);
    await balancer.chat(seeded);
    await until(() => balancer.stats().shadow?.answered === 1);
    expect([live.stats().seen, copies.stats().seen]).toEqual([1, 2]);
    await balancer.reload({
      endpoints: [
        endpointAt(live, { name: 'live', tags: ['eu'] }),
        endpointAt(copies, { name: 'next', model: 'gpt-4.1', tags: ['us'] }),
      ],
      shadow: { model: 'gpt-4.1', share: 1 },
      logger: false,
    });
    await balancer.chat(CENT, { tags: ['eu'] });
    expect(balancer.stats().shadow).toMatchObject({ running: 0, answered: 1, skipped: { capacity: 1 } });
  });

  it('gets only copies of calls of the model in replaces', async () => {
    const other = await rig.provider({ models: { 'gpt-4o-mini': {} } });
    const { live, copies } = await start();
    const balancer = rig.balancer(
      [
        endpointAt(live, { name: 'live' }),
        endpointAt(other, { name: 'mini', model: 'gpt-4o-mini' }),
        endpointAt(copies, { name: 'next', model: 'gpt-4.1', weight: 0 }),
      ],
      { shadow: { endpoint: 'next', share: 1, replaces: 'gpt-4o-mini' } },
    );
    await balancer.chat(CENT);
    await balancer.chat({ ...CENT, model: 'gpt-4o-mini' });
    await until(() => balancer.stats().shadow?.answered === 1);
    expect(copies.stats().seen).toBe(1);
  });
});

describe('Invalid options of a shadow', () => {
  it('are all reported at start-up', () => {
    const shadow = { share: 2, endpoint: 'nxt', maxConcurrent: 0, compare: 'yes', usdPerDay: -1, hare: 1 };
    const endpoints = [{ name: 'next', model: 'gpt-4o', apiKey: 'sk-test' }];
    expect(() => rig.balancer(endpoints, { shadow: shadow as never })).toThrow(
      /shadow\.share: expected a number above 0, at most 1(.|\n)*shadow\.maxConcurrent(.|\n)*shadow\.compare(.|\n)*shadow\.usdPerDay(.|\n)*shadow\.hare(.|\n)*shadow\.endpoint: expected the name of an endpoint \(did you mean 'next'\?\)/,
    );
    expect(() => rig.balancer(endpoints, { shadow: { share: 0.1 } })).toThrow(
      'shadow: expected either a model or an endpoint',
    );
  });
});
