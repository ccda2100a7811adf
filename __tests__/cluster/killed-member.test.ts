import { requires } from '../helpers/requires';
import { ClusterRig, type Member, type ObservedLimit, usedShare, worstExcess } from './harness';

jest.setTimeout(60_000);

const rig = new ClusterRig();
afterEach(() => rig.close());

const LIMIT: ObservedLimit = { unit: 'requests', perMinute: 600, burstSeconds: 2 };
/** Its share has to be back by then. */
const GONE_MS = 15_000;

requires('redis-server').describe('a process that gets a kill -9', () => {
  it('leaves its share to the others within 15 s, in Redis and where Redis dies too', async () => {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const { perMinute: rpm, burstSeconds = 10 } = LIMIT;
    const config = {
      endpoints: [provider.endpoint({ rpm, burstSeconds })],
      cluster: { redis: redis.url },
    };
    const [killed, survivor] = (await rig.members(2, config)) as [Member, Member];
    killed.load({ perSecond: 20, forMs: 60_000, timeoutMs: 2_000 }).catch(() => undefined);
    const outcomes = survivor.load({ perSecond: 20, forMs: GONE_MS + 9_000, timeoutMs: 2_000 });
    await pause(3_000);
    const killedAt = Date.now();
    await killed.kill9();
    await pause(GONE_MS);
    await redis.kill9();
    await outcomes;

    const admissions = await provider.admissions();
    const used = (fromMs: number, toMs: number) =>
      usedShare(admissions, LIMIT, killedAt + fromMs, killedAt + toMs);
    expect(used(2_000, GONE_MS)).toBeGreaterThan(0.9);
    // A share of two would be half.
    expect(used(GONE_MS + 1_000, GONE_MS + 6_000)).toBeGreaterThan(0.8);
    expect(worstExcess(admissions, LIMIT, 0.1)).toBeLessThanOrEqual(0);
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
