import type {
  AiBalancerError,
  Balancer,
  BalancerConfig,
  BudgetEvent,
  EndpointConfig,
} from 'express-ai-balancer';
import type { ProviderOptions, SimulatedProvider } from 'express-ai-balancer/simulator';
import { fakeDate } from '../helpers/fake-date';
import { endpointAt, Rig, rejection } from '../helpers/provider';
import { body, HOUR_MS, many, meteredProvider, NOW, PRICE, refusal } from './fixtures';
import { MemoryStore } from './memory-store';

const rig = new Rig();
afterEach(() => jest.useRealTimers());

const provider = (price = PRICE, more: ProviderOptions = {}) => meteredProvider(rig, price, more);

function start(endpoints: EndpointConfig[], config: Partial<BalancerConfig>): Balancer {
  return rig.balancer(endpoints, { estimateTokens: () => 6, ...config });
}

function spentUsd(...providers: SimulatedProvider[]): number {
  return providers.reduce((sum, each) => sum + each.stats().usd, 0);
}

async function outcomes(calls: PromiseLike<unknown>[]): Promise<{ ok: number; codes: string[] }> {
  const results = await Promise.allSettled(calls);
  const failed = results.filter((result) => result.status === 'rejected');
  const codes = failed.map(({ reason }) => (reason as AiBalancerError).code);
  return { ok: results.length - failed.length, codes: [...new Set(codes)] };
}

describe('A budget over all calls', () => {
  it.each([
    ['in memory', () => ({})],
    ['in a store', () => ({ store: new MemoryStore() })],
  ])(
    'is used up, and not exceeded, by 1,000 concurrent calls when it is counted %s',
    async (_where, more) => {
      const upstream = await provider();
      const balancer = start([endpointAt(upstream, { price: PRICE })], {
        budgets: { usdPerDay: 1, ...more() },
      });
      const { ok, codes } = await outcomes(many(1_000, () => balancer.chat(body())));
      expect({ ok, codes }).toEqual({ ok: 100, codes: ['ERR_AI_BUDGET'] });
      expect(spentUsd(upstream)).toBeCloseTo(1, 6);
      const [stats] = balancer.stats().budgets;
      expect(stats).toMatchObject({ scope: 'total', limit: 'usdPerDay', limitUsd: 1, reservedUsd: 0 });
      expect(stats?.spentUsd).toBeCloseTo(1, 6);
    },
  );

  it('fails calls with 503, and does not say that it is spent, while its store is unreachable', async () => {
    const store = new MemoryStore();
    store.mode = 'down';
    const upstream = await provider();
    const balancer = start([endpointAt(upstream, { price: PRICE })], { budgets: { usdPerDay: 1, store } });
    const error = (await rejection(balancer.chat(body(), { timeoutMs: 1_000 }))) as AiBalancerError;
    expect(error).toMatchObject({
      code: 'ERR_AI_BUDGET',
      status: 503,
      retryable: true,
      retryAfterMs: expect.any(Number) as number,
      message: expect.stringMatching(
        /^the budget for this call cannot be checked: budget: the store of usdPerDay of \$1 in all is unreachable/,
      ) as string,
    });
    expect(error.toBody().error).toEqual({
      message: 'The budget for AI calls cannot be checked at the moment.',
      type: 'server_error',
      code: 'ERR_AI_BUDGET',
      param: null,
    });
    expect(spentUsd(upstream)).toBe(0);
  });

  it('lets calls wait for amounts that other calls have reserved but do not use', async () => {
    const upstream = await provider();
    const balancer = start([endpointAt(upstream, { price: PRICE })], { budgets: { usdPerDay: 1 } });
    // Each may cost 20 cents, and costs one: only five fit at a time.
    const { ok } = await outcomes(many(60, () => balancer.chat(body(4, 194))));
    expect(ok).toBe(60);
    expect(spentUsd(upstream)).toBeCloseTo(0.6, 6);
  });

  it('counts streams, embeddings and aborted streams', async () => {
    const upstream = await rig.provider({
      models: { 'gpt-4o': { price: PRICE }, 'text-embedding-3-small': {} },
    });
    const balancer = start(
      [
        endpointAt(upstream, { price: PRICE }),
        endpointAt(upstream, { name: 'vectors', model: 'text-embedding-3-small', price: PRICE }),
      ],
      { budgets: { usdPerDay: 1 } },
    );
    const spent = () => balancer.stats().budgets[0]?.spentUsd ?? 0;
    const whole = await balancer.chat({ ...body(), stream: true as const });
    for await (const chunk of whole) expect(chunk.object).toBe('chat.completion.chunk');
    expect(spent()).toBeCloseTo(0.01, 6);
    await balancer.embeddings({ model: 'text-embedding-3-small', input: 'Where is my parcel?' });
    const afterEmbedding = spent();
    expect(afterEmbedding).toBeGreaterThan(0.01);
    const left = await balancer.chat({ ...body(400, 500), stream: true as const });
    for await (const chunk of left) if (chunk.choices.length > 0) break;
    expect(spent()).toBeGreaterThan(afterEmbedding);
    expect(balancer.stats().budgets[0]?.reservedUsd).toBe(0);
  });

  it('counts nothing for attempts that the provider refuses', async () => {
    const upstream = await provider(PRICE, { keys: ['sk-other'] });
    const balancer = start([endpointAt(upstream, { price: PRICE })], { budgets: { usdPerDay: 1 } });
    await rejection(balancer.chat(body()));
    expect(balancer.stats().budgets).toMatchObject([{ spentUsd: 0, reservedUsd: 0 }]);
  });

  it('refuses calls with 429, the time until it starts again, and a public message without names', async () => {
    fakeDate(NOW);
    const upstream = await provider();
    const balancer = start([endpointAt(upstream, { price: PRICE })], {
      budgets: { usdPerDay: 0.02, timeZone: 'Asia/Seoul' },
    });
    await balancer.chat(body());
    await balancer.chat(body());
    const error = await refusal(balancer.chat(body()));
    expect(error).toMatchObject({ code: 'ERR_AI_BUDGET', status: 429, retryable: true });
    expect(error.retryAfterMs).toBe(3 * HOUR_MS);
    expect(error.message).toContain('usdPerDay of $0.02 in all');
    expect(error.toBody().error).toMatchObject({
      message: 'The budget for AI calls is spent.',
      type: 'rate_limit_error',
      code: 'ERR_AI_BUDGET',
    });
    fakeDate(NOW + 3 * HOUR_MS);
    await balancer.chat(body());
  });

  it('says that too little is left, not that it is spent, if a smaller call would be served', async () => {
    const upstream = await provider();
    const lines: string[] = [];
    const warn = (_fields: object, message: string) => void lines.push(message);
    const logger = { debug: () => undefined, info: () => undefined, warn, error: () => undefined };
    const balancer = start([endpointAt(upstream, { price: PRICE })], {
      budgets: { usdPerDay: 0.011 },
      logger,
    });
    await balancer.chat(body());
    const error = await refusal(balancer.chat(body()));
    expect(error.message).toContain('usdPerDay of $0.011 in all has less left than this call may cost');
    expect(lines.filter((line) => line.startsWith('the budget'))).toEqual([
      'the budget usdPerDay in all is at 80 %: $0.01 of $0.011',
      'the budget usdPerDay in all has too little left for a call: $0.01 of $0.011',
    ]);
  });

  it('with a rolling window refuses calls with the time until enough of it is available again', async () => {
    fakeDate(NOW);
    const upstream = await provider();
    const balancer = start([endpointAt(upstream, { price: PRICE })], {
      budgets: { usdPerHour: 0.02, window: 'rolling' },
    });
    await balancer.chat(body());
    fakeDate(NOW + HOUR_MS / 2);
    await balancer.chat(body());
    const error = await refusal(balancer.chat(body()));
    expect(error.retryAfterMs).toBe(HOUR_MS / 2 + 300_000);
    fakeDate(NOW + HOUR_MS + 300_000);
    await balancer.chat(body());
    expect((await refusal(balancer.chat(body()))).code).toBe('ERR_AI_BUDGET');
  });

  it('refuses, at no cost, a call that may cost more than the whole budget', async () => {
    const upstream = await provider();
    const balancer = start([endpointAt(upstream, { price: PRICE })], { budgets: { usdPerMonth: 0.5 } });
    const error = await refusal(balancer.chat(body(4, 1_000)));
    expect(error).toMatchObject({ code: 'ERR_AI_BUDGET', retryable: false });
    expect(error.retryAfterMs).toBeUndefined();
    expect(error.message).toContain('is less than this call may cost');
    await balancer.chat(body());
    expect(upstream.stats().seen).toBe(1);
  });

  it('lets calls continue at the cheapest endpoint that can serve them if onExceeded is cheapest', async () => {
    const cheapPrice = { input: 10, output: 10 };
    const [dear, cheap, broken] = [await provider(), await provider(cheapPrice), await provider()];
    const balancer = start(
      [
        endpointAt(dear, { name: 'dear', price: PRICE }),
        endpointAt(cheap, { name: 'cheap', price: cheapPrice }),
        endpointAt(broken, { name: 'broken', price: { input: 1, output: 1 }, tags: ['spare'] }),
      ],
      { budgets: { usdPerDay: 0.02, onExceeded: 'cheapest' }, strategy: 'round-robin' },
    );
    balancer.endpoint('broken').disable();
    await Promise.all(many(20, () => balancer.chat(body())));
    const before = dear.stats().seen;
    const calls = many(10, () => balancer.chat(body()).withRoute());
    for (const { route } of await Promise.all(calls)) expect(route.endpoint).toBe('cheap');
    expect(dear.stats().seen).toBe(before);
    expect(spentUsd(dear)).toBeLessThanOrEqual(0.02);
    const verdict = balancer.explain(body()).verdicts.find(({ endpoint }) => endpoint === 'dear');
    expect(verdict?.removedBy).toContain('a cheaper endpoint can serve the call');
  });

  it('counts calls to endpoints without a price as free', async () => {
    const upstream = await provider();
    const balancer = start([endpointAt(upstream, { model: 'own-llama' })], { budgets: { usdPerDay: 0.01 } });
    const { codes } = await outcomes(many(3, () => balancer.chat(body(4, 4, { model: 'own-llama' }))));
    expect(codes).not.toContain('ERR_AI_BUDGET');
    expect(balancer.stats().budgets[0]?.spentUsd).toBe(0);
  });

  it('keeps what is spent after a reload', async () => {
    const upstream = await provider();
    const endpoints = [endpointAt(upstream, { price: PRICE })];
    const config = { endpoints, logger: false as const, hedge: false as const, estimateTokens: () => 6 };
    const balancer = start(endpoints, { budgets: { usdPerDay: 0.02 } });
    await balancer.chat(body());
    await balancer.reload({ ...config, budgets: { usdPerDay: 0.01 } });
    expect((await refusal(balancer.chat(body()))).code).toBe('ERR_AI_BUDGET');
    await balancer.reload({ ...config, budgets: { usdPerDay: 0.02 } });
    await balancer.chat(body());
    await balancer.reload(config);
    expect(balancer.stats().budgets).toEqual([]);
    await balancer.chat(body());
  });
});

describe('A budget of an endpoint', () => {
  it('takes the endpoint out of rotation when it is spent, and explain() shows why and until when', async () => {
    fakeDate(NOW);
    const [one, two] = [await provider(), await provider()];
    const balancer = start(
      [
        endpointAt(one, { name: 'one', price: PRICE, usdPerHour: 0.03 }),
        endpointAt(two, { name: 'two', price: PRICE, tier: 1 }),
      ],
      {},
    );
    await Promise.all(many(10, () => balancer.chat(body())));
    expect([one.stats().seen, two.stats().seen]).toEqual([3, 7]);
    const verdict = balancer.explain(body()).verdicts.find(({ endpoint }) => endpoint === 'one');
    expect(verdict?.removedBy).toBe("budget: usdPerHour of $0.03 of endpoint 'one' is spent");
    expect(Math.abs((verdict?.until ?? 0) - NOW - HOUR_MS)).toBeLessThan(1_000);
  });

  it('refuses calls with the time until the first of the endpoints is available again', async () => {
    fakeDate(NOW);
    const upstream = await provider();
    const balancer = start(
      [
        endpointAt(upstream, { name: 'one', price: PRICE, usdPerDay: 0.01 }),
        endpointAt(upstream, { name: 'two', price: PRICE, usdPerHour: 0.01 }),
      ],
      {},
    );
    await Promise.all(many(2, () => balancer.chat(body())));
    expect((await refusal(balancer.chat(body()))).retryAfterMs).toBe(HOUR_MS);
  });

  it('makes the endpoint less preferred before it is spent', async () => {
    const upstream = await provider();
    const balancer = start(
      [
        endpointAt(upstream, { name: 'one', price: PRICE, usdPerDay: 0.1 }),
        endpointAt(upstream, { name: 'two', price: PRICE }),
      ],
      {},
    );
    await Promise.all(many(6, () => balancer.chat(body(), { endpoint: 'one' })));
    const verdicts = balancer.explain(body()).verdicts;
    const scarcity = (name: string) => verdicts.find(({ endpoint }) => endpoint === name)?.terms?.scarcity;
    expect(scarcity('one')).toBeGreaterThan(0.1);
    expect(scarcity('two')).toBe(0);
  });
});

describe('A budget of a quota group', () => {
  it('is shared by the endpoints of the group', async () => {
    const upstream = await provider();
    const balancer = start(
      [
        endpointAt(upstream, { name: 'one', price: PRICE, quotaGroup: 'account' }),
        endpointAt(upstream, { name: 'two', price: PRICE, quotaGroup: 'account' }),
      ],
      { quotaGroups: { account: { usdPerDay: 0.05 } }, strategy: 'round-robin' },
    );
    const { ok, codes } = await outcomes(many(20, () => balancer.chat(body())));
    expect({ ok, codes }).toEqual({ ok: 5, codes: ['ERR_AI_BUDGET'] });
    expect(balancer.stats().budgets).toMatchObject([{ scope: 'group', name: 'account', limitUsd: 0.05 }]);
  });
});

describe("The event 'budget'", () => {
  it('is emitted once at 80 % and once when the budget is spent, and again in the next period', async () => {
    fakeDate(NOW);
    const upstream = await provider();
    const balancer = start([endpointAt(upstream, { price: PRICE })], { budgets: { usdPerHour: 0.1 } });
    const events: BudgetEvent[] = [];
    balancer.on('budget', (event) => events.push(event));
    for (let n = 0; n < 12; n++) await balancer.chat(body()).catch(() => undefined);
    expect(events).toMatchObject([
      { change: 'near', scope: 'total', name: '', limit: 'usdPerHour', limitUsd: 0.1 },
      { change: 'reached', scope: 'total', name: '', limit: 'usdPerHour', limitUsd: 0.1 },
    ]);
    expect(events.map(({ spentUsd: spent }) => Math.round(spent * 100))).toEqual([8, 10]);
    fakeDate(NOW + HOUR_MS);
    for (let n = 0; n < 8; n++) await balancer.chat(body());
    expect(events.map(({ change }) => change)).toEqual(['near', 'reached', 'near']);
  });
});

describe('Faults in the configuration of budgets', () => {
  it('are all reported at start-up', () => {
    const endpoints = [{ name: 'one', model: 'gpt-4o', apiKey: 'sk-test', usdPerDay: -1 }];
    const budgets = {
      usdPerHour: 0,
      timeZone: 'Mars/Olympus',
      window: 'sliding',
      onExceeded: 'stop',
      store: {},
      usdPerWeek: 1,
    };
    expect(() => rig.balancer(endpoints, { budgets: budgets as never })).toThrow(
      /endpoints\[0\]\.usdPerDay: expected US dollars above 0(.|\n)*budgets\.usdPerHour(.|\n)*budgets\.timeZone: expected an IANA time zone(.|\n)*budgets\.window(.|\n)*budgets\.onExceeded(.|\n)*budgets\.store(.|\n)*budgets\.usdPerWeek/,
    );
  });
});
