import { requires } from '../helpers/requires';
import { ClusterRig, type ObservedLimit, type ProviderProcess, usedShare, worstExcess } from './harness';

jest.setTimeout(60_000);

const rig = new ClusterRig();
afterEach(() => rig.close());

const LOWER: ObservedLimit = { unit: 'requests', perMinute: 300, burstSeconds: 2 };
const HIGHER: ObservedLimit = { ...LOWER, perMinute: 900 };

requires('redis-server').describe('a deploy with another limit', () => {
  const config = (provider: ProviderProcess, redis: string, { perMinute: rpm }: ObservedLimit) => ({
    endpoints: [provider.endpoint({ rpm, burstSeconds: 2 })],
    cluster: { redis },
  });

  it.each([
    ['higher', LOWER, HIGHER],
    ['lower', HIGHER, LOWER],
  ])('a %s one holds when the old processes are gone; until then the lower of both', async (_, old, next) => {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const before = await rig.member({ config: config(provider, redis.url, old) });
    const after = await rig.member({ config: config(provider, redis.url, next) });
    const load = { perSecond: 25, timeoutMs: 1_000 };
    const bothAt = Date.now();
    await Promise.all([before.load({ ...load, forMs: 6_000 }), after.load({ ...load, forMs: 6_000 })]);
    const aloneAt = Date.now();
    await before.close();
    await after.load({ ...load, forMs: 7_000 });
    const endedAt = Date.now();

    const admissions = await provider.admissions();
    const both = admissions.filter(({ at }) => at >= bothAt + 3_000 && at < aloneAt);
    expect(worstExcess(both, LOWER)).toBeLessThanOrEqual(0);
    const used = usedShare(admissions, next, aloneAt + 3_000, endedAt);
    expect(used).toBeGreaterThan(0.8);
    expect(used).toBeLessThan(1.1);
  });

  it('leaves nothing in Redis for ever', async () => {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const member = await rig.member({ config: config(provider, redis.url, LOWER) });
    await member.load({ perSecond: 10, forMs: 1_000 });
    const living = await redis.keys();
    expect(living.length).toBeGreaterThan(0);
    expect(living.filter(({ ttlMs }) => ttlMs === undefined)).toEqual([]);
    await member.close();
    for (const { ttlMs } of await redis.keys()) expect(ttlMs).toBeLessThanOrEqual(600_000);
  });
});
