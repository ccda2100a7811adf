import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { requires } from '../helpers/requires';
import { ClusterRig, type Member, type ObservedLimit, usedShare, worstExcess } from './harness';

requireExclusiveMachine();

jest.setTimeout(60_000);

const rig = new ClusterRig();
afterAll(() => rig.close());

const LOWER: ObservedLimit = { unit: 'requests', perMinute: 300, burstSeconds: 2 };
const HIGHER: ObservedLimit = { ...LOWER, perMinute: 900 };
const LOAD = { perSecond: 25, timeoutMs: 500 };
/** What the bucket holds from before is used up by then. */
const SETTLED_MS = 1_500;
const PHASE_MS = 3_500;

/** A deploy to a higher limit, then one to the lower again. */
async function live() {
  const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
  const start = ({ perMinute: rpm }: ObservedLimit) =>
    rig.member({
      config: { endpoints: [provider.endpoint({ rpm, burstSeconds: 2 })], cluster: { redis: redis.url } },
    });
  const phases: Record<string, { from: number; to: number }> = {};
  const phase = async (name: string, members: readonly Member[]) => {
    const from = Date.now();
    await Promise.all(members.map((member) => member.load({ ...LOAD, forMs: PHASE_MS })));
    phases[name] = { from: from + SETTLED_MS, to: from + PHASE_MS };
  };
  const [old, next] = await Promise.all([start(LOWER), start(HIGHER)]);
  await phase('raised, both', [old, next]);
  await old.close();
  await phase('raised, new', [next]);
  const last = await start(LOWER);
  await phase('lowered, both', [next, last]);
  const living = await redis.keys();
  await Promise.all([next.close(), last.close()]);
  const admissions = await provider.admissions();
  const within = (name: string) => {
    const { from, to } = phases[name]!;
    return { from, to, admissions: admissions.filter(({ at }) => at >= from && at < to) };
  };
  return { within, living, left: await redis.keys() };
}

requires('redis-server').describe('a deploy with another limit', () => {
  let run: Awaited<ReturnType<typeof live>>;
  beforeAll(async () => {
    run = await live();
  });

  it.each(['raised, both', 'lowered, both'])('has the lower one hold: %s', (name) => {
    const { from, to, admissions } = run.within(name);
    expect(worstExcess(admissions, LOWER)).toBeLessThanOrEqual(0);
    expect(usedShare(admissions, LOWER, from, to)).toBeGreaterThan(0.7);
  });

  it('has a higher one hold when the old processes are gone', () => {
    const { from, to, admissions } = run.within('raised, new');
    expect(worstExcess(admissions, HIGHER)).toBeLessThanOrEqual(0);
    expect(usedShare(admissions, HIGHER, from, to)).toBeGreaterThan(0.7);
  });

  it('leaves nothing in Redis for ever', () => {
    expect(run.living.length).toBeGreaterThan(0);
    expect(run.living.filter(({ ttlMs }) => ttlMs === undefined)).toEqual([]);
    for (const { ttlMs } of run.left) expect(ttlMs).toBeLessThanOrEqual(600_000);
  });
});
