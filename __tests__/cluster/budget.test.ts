import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { requires } from '../helpers/requires';
import { ClusterRig, type Member, type MemberConfig, type RedisServer } from './harness';

requireExclusiveMachine();

const rig = new ClusterRig();
afterEach(() => rig.close());

/** One US dollar for 1,000 tokens: a call of 6 and 4 tokens costs a cent. */
const PRICE = { input: 1_000, output: 1_000 };
const TOKENS = { prompt: 6, output: 4 };
const CALL_USD = 0.01;
const LOAD = { callers: 250, forMs: 1_000, tokens: TOKENS, timeoutMs: 60_000 };

async function start(redis: RedisServer, budgets: MemberConfig['budgets'], more: Partial<MemberConfig> = {}) {
  const provider = await rig.provider({ price: PRICE, ttftMs: 50 });
  const config: MemberConfig = {
    endpoints: [provider.endpoint({ price: PRICE })],
    cluster: { redis: redis.url },
    budgets: { ...budgets },
    ...more,
  };
  return { provider, config, spentUsd: async () => (await provider.provider.stats()).usd };
}

function codesOf(members: readonly Member[]): Set<string | undefined> {
  return new Set(members.flatMap(({ outcomes }) => outcomes.map(({ code }) => code)));
}

function servedBy(members: readonly Member[]): number {
  return members.reduce(
    (sum, { outcomes }) => sum + outcomes.filter(({ code }) => code === undefined).length,
    0,
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

requires('redis-server').describe('A budget that four processes share through Redis', () => {
  it('is used up, and not exceeded, by 1,000 concurrent calls', async () => {
    const redis = await rig.redis();
    const { config, spentUsd } = await start(redis, { usdPerDay: 1 });
    const members = await rig.members(4, config);
    await Promise.all(members.map((member) => member.load(LOAD)));
    expect(await spentUsd()).toBeLessThanOrEqual(1 + CALL_USD);
    expect(await spentUsd()).toBeGreaterThan(0.95);
    expect(codesOf(members)).toEqual(new Set([undefined, 'ERR_AI_BUDGET']));
  });

  it('is not exceeded when Redis is killed and each process continues with its share', async () => {
    const redis = await rig.redis();
    const { config, spentUsd } = await start(redis, { usdPerDay: 1 });
    const members = await rig.members(4, config);
    await Promise.all(
      members.map((member) =>
        member.load({ perSecond: 10, forMs: 1_000, tokens: TOKENS, timeoutMs: 30_000 }),
      ),
    );
    await redis.kill9();
    const before = servedBy(members);
    await Promise.all(members.map((member) => member.load(LOAD)));
    expect(servedBy(members)).toBeGreaterThan(before);
    expect(await spentUsd()).toBeLessThanOrEqual(1 + CALL_USD);
    expect([...codesOf(members)]).toContain('ERR_AI_BUDGET');
  });

  it('is not exceeded when Redis is killed during 1,000 calls and restarts empty', async () => {
    const redis = await rig.redis();
    const { config, spentUsd } = await start(redis, { usdPerDay: 1 });
    const members = await rig.members(4, config);
    const loads = members.map((member) => member.load(LOAD));
    await pause(100);
    await redis.kill9();
    await pause(500);
    await redis.restart();
    await Promise.all(loads);
    for (const member of members) {
      while ((await member.stats()).cluster?.mode !== 'shared') await pause(100);
    }
    // All processes report what they have spent and hold before anything is leased again.
    await pause(5_000);
    await Promise.all(members.map((member) => member.load(LOAD)));
    expect(await spentUsd()).toBeLessThanOrEqual(1 + CALL_USD);
    expect(await spentUsd()).toBeGreaterThan(0.8);
  });

  it('includes earlier spending in a process that starts later or restarts', async () => {
    const redis = await rig.redis();
    const { config, spentUsd } = await start(redis, { usdPerDay: 0.5 });
    for (let n = 0; n < 3; n++) {
      const member = await rig.member({ config });
      await member.load({ callers: 20, forMs: 1_000, tokens: TOKENS, timeoutMs: 30_000 });
      await member.close();
    }
    expect(await spentUsd()).toBeCloseTo(0.5, 6);
    const late = await rig.member({ config });
    await late.load({ callers: 1, forMs: 1, tokens: TOKENS, timeoutMs: 30_000 });
    expect(codesOf([late])).toEqual(new Set(['ERR_AI_BUDGET']));
    expect((await late.stats()).budgets[0]?.spentUsd).toBeCloseTo(0.5, 6);
  });

  it('loses no more than the lease of a process that is killed', async () => {
    const redis = await rig.redis();
    const { config, spentUsd } = await start(redis, { usdPerDay: 1 });
    const [killed, survivor] = (await rig.members(2, config)) as [Member, Member];
    await killed.load({ perSecond: 10, forMs: 1_000, tokens: TOKENS, timeoutMs: 30_000 });
    await killed.kill9();
    await survivor.load({ ...LOAD, callers: 200 });
    // It takes half of its share of what is left at most, a quarter of the budget here.
    expect(await spentUsd()).toBeGreaterThan(0.7);
    expect(await spentUsd()).toBeLessThanOrEqual(1 + CALL_USD);
  });

  it('keeps its keys in Redis no longer than its period plus an hour', async () => {
    const redis = await rig.redis();
    const { config } = await start(redis, { usdPerHour: 1, window: 'rolling' });
    const member = await rig.member({ config });
    await member.load({ callers: 2, forMs: 1, tokens: TOKENS, timeoutMs: 30_000 });
    const budgetKeys = async () => (await redis.keys()).filter(({ key }) => key.includes('budget'));
    while ((await budgetKeys()).length < 2) await pause(100);
    const keys = await budgetKeys();
    expect(keys).toHaveLength(2);
    for (const { ttlMs = Infinity } of keys) expect(ttlMs).toBeLessThanOrEqual(2 * 3_600_000 + 300_000);
  });

  it('per tenant is used up, and not exceeded, by 1,000 concurrent calls, even when Redis is killed', async () => {
    const redis = await rig.redis();
    const { config, spentUsd } = await start(redis, { perTenant: { usdPerDay: 0.5 } });
    const members = await rig.members(4, config);
    const loads = () =>
      members.flatMap((member) =>
        ['acme', 'beta'].map((tenant) => member.load({ ...LOAD, callers: 125, tenant })),
      );
    await Promise.all(loads());
    expect(await spentUsd()).toBeLessThanOrEqual(1 + CALL_USD);
    expect(await spentUsd()).toBeGreaterThan(0.95);
    expect(codesOf(members)).toEqual(new Set([undefined, 'ERR_AI_BUDGET']));
    await redis.kill9();
    await Promise.all(loads());
    expect(await spentUsd()).toBeLessThanOrEqual(1 + CALL_USD);
  });
});
