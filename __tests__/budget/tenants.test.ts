import express from 'express';
import type {
  Balancer,
  BalancerConfig,
  BudgetEvent,
  BudgetOptions,
  EndpointConfig,
} from 'express-ai-balancer';
import { aiMetrics } from 'express-ai-balancer';
import type { ProviderOptions } from 'express-ai-balancer/simulator';
import request from 'supertest';
import { SpendLimitFactory } from '../../lib/budget/spend-limit-factory';
import { TenantBudgets } from '../../lib/budget/tenant-budgets';
import { fakeDate } from '../helpers/fake-date';
import { endpointAt, Rig, rejection, until } from '../helpers/provider';
import { body, HOUR_MS, many, meteredProvider, NOW, PRICE, refusal } from './fixtures';
import { MemoryStore } from './memory-store';

const rig = new Rig();
afterEach(() => jest.useRealTimers());

const provider = (more: ProviderOptions = {}) => meteredProvider(rig, PRICE, more);

function start(
  endpoints: EndpointConfig[],
  budgets: BudgetOptions,
  more: Partial<BalancerConfig> = {},
): Balancer {
  return rig.balancer(endpoints, { estimateTokens: () => 6, budgets, ...more });
}

async function served(calls: PromiseLike<unknown>[]): Promise<number> {
  return (await Promise.allSettled(calls)).filter(({ status }) => status === 'fulfilled').length;
}

describe('A budget per tenant', () => {
  it.each([
    ['in memory', () => ({})],
    ['in a store', () => ({ store: new MemoryStore() })],
  ])(
    'is used up, and not exceeded, by 1,000 concurrent calls when it is counted %s',
    async (_where, more) => {
      const upstream = await provider();
      const balancer = start([endpointAt(upstream, { price: PRICE })], {
        perTenant: { usdPerDay: 0.5 },
        ...more(),
      });
      const calls = (tenant: string) => many(500, () => balancer.chat(body(), { tenant }));
      const [acme, beta] = await Promise.all([served(calls('acme')), served(calls('beta'))]);
      expect({ acme, beta }).toEqual({ acme: 50, beta: 50 });
      expect(upstream.stats().usd).toBeCloseTo(1, 6);
      const [stats] = balancer.tenantBudgets('acme');
      expect(stats).toMatchObject({ scope: 'tenant', name: 'acme', limit: 'usdPerDay', reservedUsd: 0 });
      expect(stats?.spentUsd).toBeCloseTo(0.5, 6);
    },
  );

  it('refuses its tenant with the time until it starts again, and not other tenants or calls without one', async () => {
    fakeDate(NOW);
    const upstream = await provider();
    const balancer = start([endpointAt(upstream, { price: PRICE })], {
      timeZone: 'Asia/Seoul',
      perTenant: { usdPerHour: 0.01, usdPerDay: 0.01 },
    });
    await balancer.chat(body(), { tenant: 'acme' });
    const error = await refusal(balancer.chat(body(), { tenant: 'acme' }));
    expect(error).toMatchObject({ code: 'ERR_AI_BUDGET', status: 429, retryable: true });
    expect(error.retryAfterMs).toBe(3 * HOUR_MS);
    expect(error.message).toContain("usdPerDay of $0.01 of tenant 'acme'");
    expect(JSON.stringify(error.toBody())).not.toContain('acme');
    await balancer.chat(body(), { tenant: 'beta' });
    await balancer.chat(body());
    fakeDate(NOW + 3 * HOUR_MS);
    await balancer.chat(body(), { tenant: 'acme' });
  });

  it('refuses a call with the longest wait of all spent budgets', async () => {
    fakeDate(NOW);
    const upstream = await provider();
    const balancer = start([endpointAt(upstream, { price: PRICE })], {
      usdPerDay: 0.01,
      perTenant: { usdPerHour: 0.01 },
    });
    await balancer.chat(body(), { tenant: 'acme' });
    expect((await refusal(balancer.chat(body(), { tenant: 'acme' }))).retryAfterMs).toBe(12 * HOUR_MS);
  });

  it('can differ by tenant, change between two calls, and be absent for some tenants', async () => {
    const upstream = await provider();
    const plans = new Map([
      ['free', 0],
      ['basic', 0.01],
    ]);
    const balancer = start([endpointAt(upstream, { price: PRICE })], {
      perTenant: { usdPerMonth: (tenant) => plans.get(tenant) },
    });
    const ask = (tenant: string) => balancer.chat(body(), { tenant });
    expect(await refusal(ask('free'))).toMatchObject({ code: 'ERR_AI_BUDGET', retryable: false });
    await ask('basic');
    expect((await refusal(ask('basic'))).code).toBe('ERR_AI_BUDGET');
    plans.set('basic', 0.02);
    await ask('basic');
    await Promise.all(many(5, () => ask('unlimited')));
    expect(balancer.tenantBudgets('unlimited')).toEqual([]);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('no plan');
      },
      'no plan',
    ],
    ['returns a promise', () => Promise.resolve(1), 'must be synchronous'],
    ['returns text', () => '5', 'expected US dollars from 0'],
    ['returns NaN', () => Number.NaN, 'expected US dollars from 0'],
  ])('fails only that call if the limit function %s', async (_what, limit, message) => {
    const upstream = await provider();
    const balancer = start([endpointAt(upstream, { price: PRICE })], {
      perTenant: { usdPerDay: (tenant) => (tenant === 'bad' ? (limit() as number) : 1) },
    });
    expect(((await rejection(balancer.chat(body(), { tenant: 'bad' }))) as Error).message).toContain(message);
    await balancer.chat(body(), { tenant: 'good' });
    expect(upstream.stats().seen).toBe(1);
  });

  it('makes only the calls of its tenant wait for amounts that these have reserved', async () => {
    const upstream = await provider({ models: { 'gpt-4o': { price: PRICE, ttftMs: 300 } }, timeScale: 1 });
    const balancer = start([endpointAt(upstream, { price: PRICE })], { perTenant: { usdPerDay: 1 } });
    const finished: string[] = [];
    const ask = async (tenant: string, maxOutput: number) => {
      await balancer.chat(body(4, maxOutput), { tenant });
      finished.push(tenant);
    };
    // Each may cost 90 cents and costs one: the calls of acme run one after the other.
    const acme = many(8, () => ask('acme', 894));
    await until(() => balancer.stats().queue.size === 7);
    const others = many(20, (n) => ask(`tenant ${n}`, 4));
    await Promise.all(others);
    expect(finished.filter((tenant) => tenant === 'acme').length).toBeLessThan(8);
    await Promise.all(acme);
    expect(balancer.tenantBudgets('acme')[0]?.spentUsd).toBeCloseTo(0.08, 6);
  });

  it('sends only its own tenant to the cheapest endpoint if onExceeded is cheapest', async () => {
    const cheapPrice = { input: 10, output: 10 };
    const [dear, cheap] = [await provider(), await provider()];
    const balancer = start(
      [
        endpointAt(dear, { name: 'dear', price: PRICE }),
        endpointAt(cheap, { name: 'cheap', price: cheapPrice, tier: 1 }),
      ],
      { perTenant: { usdPerDay: 0.02, onExceeded: 'cheapest' } },
    );
    const routed = async (tenant: string) => (await balancer.chat(body(), { tenant }).withRoute()).route;
    for (let n = 0; n < 2; n++) expect((await routed('acme')).endpoint).toBe('dear');
    for (let n = 0; n < 5; n++) expect((await routed('acme')).endpoint).toBe('cheap');
    expect((await routed('beta')).endpoint).toBe('dear');
  });

  it('emits events at 80 % and when it is spent, but names no tenant in stats or metrics', async () => {
    const upstream = await provider();
    const lines: string[] = [];
    const log = (level: string) => (_fields: object, message: string) =>
      void lines.push(`${level} ${message}`);
    const logger = { debug: () => undefined, info: log('info'), warn: log('warn'), error: log('error') };
    const balancer = start(
      [endpointAt(upstream, { price: PRICE })],
      { usdPerDay: 100, perTenant: { usdPerDay: 0.1 } },
      { logger },
    );
    const events: BudgetEvent[] = [];
    balancer.on('budget', (event) => events.push(event));
    for (let n = 0; n < 12; n++) await balancer.chat(body(), { tenant: 'acme' }).catch(() => undefined);
    expect(events).toMatchObject([
      { change: 'near', scope: 'tenant', name: 'acme', limit: 'usdPerDay', limitUsd: 0.1 },
      { change: 'reached', scope: 'tenant', name: 'acme', limit: 'usdPerDay', limitUsd: 0.1 },
    ]);
    expect(lines.filter((line) => line.includes('of the tenant'))).toEqual([
      "info the budget usdPerDay of the tenant 'acme' is at 80 %: $0.08 of $0.1",
      "info the budget usdPerDay of the tenant 'acme' is spent: $0.10 of $0.1",
    ]);
    expect(balancer.stats().budgets.map(({ scope }) => scope)).toEqual(['total']);
    const app = express().get('/metrics', aiMetrics(balancer));
    const { text } = await request(app).get('/metrics');
    expect(text).toContain('ai_balancer_budget_spent_usd');
    expect(text).not.toContain('acme');
  });

  it('keeps what is spent after a reload that lowers it', async () => {
    const upstream = await provider();
    const endpoints = [endpointAt(upstream, { price: PRICE })];
    const balancer = start(endpoints, { perTenant: { usdPerDay: 0.03 } });
    await balancer.chat(body(), { tenant: 'acme' });
    const config = { endpoints, logger: false as const, hedge: false as const, estimateTokens: () => 6 };
    await balancer.reload({ ...config, budgets: { perTenant: { usdPerDay: 0.01 } } });
    expect((await refusal(balancer.chat(body(), { tenant: 'acme' }))).code).toBe('ERR_AI_BUDGET');
    await balancer.reload(config);
    await balancer.chat(body(), { tenant: 'acme' });
  });

  it('is taken into account by explain()', async () => {
    const upstream = await provider();
    const balancer = start([endpointAt(upstream, { price: PRICE })], { perTenant: { usdPerDay: 0.001 } });
    const [verdict] = balancer.explain(body(), { tenant: 'acme' }).verdicts;
    expect(verdict?.removedBy).toBe(
      "budget: usdPerDay of $0.001 of tenant 'acme' is less than this call may cost",
    );
  });
});

describe('The number of tenants', () => {
  it('is bounded: those without spending are forgotten first, then, with a warning, the least recent', async () => {
    const upstream = await provider();
    const warnings: string[] = [];
    const logger = {
      debug: () => undefined,
      info: () => undefined,
      warn: (_fields: object, message: string) => void warnings.push(message),
      error: () => undefined,
    };
    const balancer = start(
      [endpointAt(upstream, { price: PRICE })],
      { perTenant: { usdPerHour: 0.01, maxTenants: 3 } },
      { logger },
    );
    const isSpent = async (tenant: string) => {
      const calls = [balancer.chat(body(), { tenant })];
      return (await served(calls)) === 0;
    };
    for (const tenant of ['a', 'b']) expect(await isSpent(tenant)).toBe(false);
    // Too dear to be served: they spend nothing.
    for (const tenant of ['c', 'd', 'e']) await refusal(balancer.chat(body(4, 100), { tenant }));
    expect(await isSpent('a')).toBe(true);
    expect(warnings).toEqual([]);
    for (const tenant of ['f', 'g']) expect(await isSpent(tenant)).toBe(false);
    // b called longest ago.
    expect(await isSpent('a')).toBe(true);
    expect(await isSpent('b')).toBe(false);
    expect(warnings.join()).toContain('more than 3 tenants call');
  });

  it('does not limit what a store keeps, which is read again, and whose keys do not name the tenant', async () => {
    const upstream = await provider();
    const store = new MemoryStore();
    const balancer = start([endpointAt(upstream, { price: PRICE })], {
      store,
      perTenant: { usdPerDay: 0.02, maxTenants: 1 },
    });
    const ask = (tenant: string) => served([balancer.chat(body(), { tenant })]);
    for (let n = 0; n < 3; n++)
      for (const tenant of ['acme', 'beta']) expect(await ask(tenant)).toBe(n < 2 ? 1 : 0);
    expect(store.records.size).toBe(2);
    expect(JSON.stringify([...store.records])).not.toContain('acme');
  });
});

describe('A tenant that has not called for a minute', () => {
  /** Budgets of tenants in a store, with nothing of the balancer around them. */
  function tenantBudgets(store: MemoryStore, events: BudgetEvent[] = []): TenantBudgets {
    const onOutage = () => 'local-share' as const;
    const nothing = () => undefined;
    const budgets = new TenantBudgets({
      factory: new SpendLimitFactory({ cluster: undefined, onOutage }),
      onEvent: (event) => events.push(event),
      onCapacity: nothing,
      onForgotten: nothing,
    });
    const perTenant = { limits: { usdPerMonth: 1 }, onExceeded: 'refuse' as const, maxTenants: 10 };
    const none = { limits: {}, onExceeded: 'refuse' as const };
    budgets.configure({ ...none, timeZone: 'UTC', window: 'calendar', store, perTenant });
    return budgets;
  }

  /** Fake timers hold microtasks back too: the answers of a store take several turns. */
  async function pass(): Promise<void> {
    for (let turn = 0; turn < 10; turn++) await jest.advanceTimersByTimeAsync(50);
  }

  async function spend(budgets: TenantBudgets, usd: number): Promise<void> {
    const budget = budgets.of('acme')?.budget;
    await pass();
    for (const [spendLimit, held] of budget?.take(usd * 1e9, false) ?? []) {
      await pass();
      spendLimit.settle(held, usd * 1e9);
    }
    budget?.check();
    await pass();
  }

  const heldIn = ({ records }: MemoryStore): number => {
    const [record] = [...records.values()].map((text) => JSON.parse(text) as { members: object });
    const members = Object.values(record?.members ?? {}) as { held: number }[];
    return members.reduce((sum, { held }) => sum + held, 0);
  };

  it('has no lease and sends no reports, and its spending is known when it calls again', async () => {
    jest.useFakeTimers({ now: NOW });
    const store = new MemoryStore();
    const events: BudgetEvent[] = [];
    const budgets = tenantBudgets(store, events);
    await spend(budgets, 0.85);
    expect(heldIn(store)).toBeGreaterThan(0);
    await jest.advanceTimersByTimeAsync(100_000);
    expect(heldIn(store)).toBe(0);
    const { records } = store;
    const before = [...records.values()].join();
    await jest.advanceTimersByTimeAsync(600_000);
    expect([...records.values()].join()).toBe(before);
    expect(jest.getTimerCount()).toBe(0);
    await spend(budgets, 0.05);
    expect(budgets.stats('acme')[0]?.spentUsd).toBeCloseTo(0.9, 6);
    expect(events.map(({ change }) => change)).toEqual(['near']);
    await budgets.close();
  });

  it('has its budget again when a call that has waited since then is routed', async () => {
    jest.useFakeTimers({ now: NOW });
    const budgets = tenantBudgets(new MemoryStore());
    budgets.enter('acme');
    await jest.advanceTimersByTimeAsync(3_600_000);
    expect(budgets.stats('acme')).toEqual([]);
    // A call that began before: its budget is there when it is routed.
    expect(budgets.of('acme')?.budget.limits).toHaveLength(1);
    await budgets.close();
  });
});

describe('Faults in the configuration of budgets per tenant', () => {
  it('are all reported at start-up', () => {
    const perTenant = { usdPerHour: 0, usdPerDay: '5', onExceeded: 'stop', maxTenants: 0, usdPerWeek: 1 };
    const endpoints = [{ name: 'one', model: 'gpt-4o', apiKey: 'sk-test' }];
    expect(() => rig.balancer(endpoints, { budgets: { perTenant: perTenant as never } })).toThrow(
      /budgets\.perTenant\.usdPerHour: expected US dollars above 0(.|\n)*perTenant\.usdPerDay(.|\n)*perTenant\.onExceeded(.|\n)*perTenant\.maxTenants(.|\n)*perTenant\.usdPerWeek/,
    );
    expect(() => rig.balancer(endpoints, { budgets: { perTenant: {} } })).toThrow(
      'budgets.perTenant: expected at least one of usdPerHour, usdPerDay, usdPerMonth',
    );
  });
});
