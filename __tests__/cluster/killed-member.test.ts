import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { requires } from '../helpers/requires';
import { ClusterRig, type Member, type ObservedLimit, unitsLate, usedShare, worstExcess } from './harness';

requireExclusiveMachine();

const rig = new ClusterRig();
afterEach(() => rig.close());

const LIMIT: ObservedLimit = { unit: 'requests', perMinute: 600, burstSeconds: 2 };
/** By then its share must be available to the others: 12 s on an idle machine. */
const GONE_MS = 40_000;
const ALONE_MS = 3_000;

requires('redis-server').describe('Cluster: a process that is killed', () => {
  it('leaves its share to its peers, even if Redis is killed afterwards', async () => {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const { perMinute: rpm, burstSeconds = 10 } = LIMIT;
    const config = {
      endpoints: [provider.endpoint({ rpm, burstSeconds })],
      cluster: { redis: redis.url },
    };
    const [killed, survivor] = (await rig.members(2, config)) as [Member, Member];
    killed.load({ perSecond: 20, forMs: 60_000, timeoutMs: 1_000 }).catch(() => undefined);
    survivor.load({ perSecond: 20, forMs: 60_000, timeoutMs: 1_000 }).catch(() => undefined);
    await pause(2_000);
    while ((await survivor.stats()).cluster?.members !== 2) await pause(100);
    const killedAt = Date.now();
    await killed.kill9();
    while ((await survivor.stats()).cluster?.members !== 1) {
      expect(Date.now() - killedAt).toBeLessThan(GONE_MS);
      await pause(100);
    }
    const goneAt = Date.now();
    await redis.kill9();
    await pause(ALONE_MS);

    const admissions = await provider.admissions();
    expect(usedShare(admissions, LIMIT, killedAt + 2_000, goneAt)).toBeGreaterThan(0.7);
    // The share of one of two processes would be half.
    expect(usedShare(admissions, LIMIT, goneAt + 500, goneAt + ALONE_MS)).toBeGreaterThan(0.65);
    expect(worstExcess(admissions, LIMIT, 0.1)).toBeLessThanOrEqual(await unitsLate([survivor], LIMIT));
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
