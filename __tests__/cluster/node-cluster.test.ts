import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { requires } from '../helpers/requires';
import { ClusterRig, type ObservedLimit, unitsLate, usedShare, worstExcess } from './harness';

requireExclusiveMachine();

const rig = new ClusterRig();
afterEach(() => rig.close());

const LIMIT: ObservedLimit = { unit: 'requests', perMinute: 600, burstSeconds: 2 };
const RUN_MS = 4_000;

requires('redis-server').describe("Cluster: workers of Node's cluster module", () => {
  it('share a quota like any other processes', async () => {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const { perMinute: rpm, burstSeconds = 10 } = LIMIT;
    const { members } = await rig.workers(3, {
      endpoints: [provider.endpoint({ rpm, burstSeconds })],
      cluster: { redis: redis.url },
    });
    const startedAt = Date.now();
    const outcomes = await Promise.all(
      members.map((member) => member.load({ perSecond: 15, forMs: RUN_MS, timeoutMs: 1_000 })),
    );
    const admissions = await provider.admissions();
    expect(worstExcess(admissions, LIMIT)).toBeLessThanOrEqual(await unitsLate(members, LIMIT));
    expect(usedShare(admissions, LIMIT, startedAt + 1_500, startedAt + RUN_MS)).toBeGreaterThan(0.6);
    for (const own of outcomes) expect(own.some(({ code }) => code === undefined)).toBe(true);
  });
});
