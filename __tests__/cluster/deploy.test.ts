import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { requires } from '../helpers/requires';
import { ClusterRig, type Member, type ObservedLimit, unitsLate, usedShare, worstExcess } from './harness';

requireExclusiveMachine();

const rig = new ClusterRig();
afterAll(() => rig.close());

const LOWER: ObservedLimit = { unit: 'requests', perMinute: 300, burstSeconds: 2 };
const HIGHER: ObservedLimit = { ...LOWER, perMinute: 900 };
const LOAD = { perSecond: 25, timeoutMs: 1_000 };
/** By then the bucket's initial content is used up. */
const SETTLED_MS = 1_500;
const PHASE_MS = 3_500;

/** A deploy that raises the limit, then one that lowers it again. */
async function deploy() {
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
  await phase('raised, while both versions run', [old, next]);
  const lateBefore = await unitsLate([old, next], HIGHER);
  await old.close();
  await phase('raised, when only the new version runs', [next]);
  const last = await start(LOWER);
  await phase('lowered, while both versions run', [next, last]);
  const late = Math.max(lateBefore, await unitsLate([next, last], HIGHER));
  const keysBefore = await redis.keys();
  await Promise.all([next.close(), last.close()]);
  const admissions = await provider.admissions();
  const within = (name: string) => {
    const { from, to } = phases[name]!;
    return { from, to, admissions: admissions.filter(({ at }) => at >= from && at < to) };
  };
  return { within, late, keysBefore, keysAfter: await redis.keys() };
}

requires('redis-server').describe('Cluster: a deploy that changes a limit', () => {
  let run: Awaited<ReturnType<typeof deploy>>;
  beforeAll(async () => {
    run = await deploy();
  });

  it.each(['raised, while both versions run', 'lowered, while both versions run'])(
    'keeps to the lower limit when it is %s',
    (name) => {
      const { from, to, admissions } = run.within(name);
      expect(worstExcess(admissions, LOWER)).toBeLessThanOrEqual(run.late);
      expect(usedShare(admissions, LOWER, from, to)).toBeGreaterThan(0.5);
    },
  );

  it('uses the higher limit once the old processes are gone', () => {
    const { from, to, admissions } = run.within('raised, when only the new version runs');
    expect(worstExcess(admissions, HIGHER)).toBeLessThanOrEqual(run.late);
    // The lower limit would be a third.
    expect(usedShare(admissions, HIGHER, from, to)).toBeGreaterThan(0.5);
  });

  it('leaves no key in Redis without an expiry', () => {
    expect(run.keysBefore.length).toBeGreaterThan(0);
    expect(run.keysBefore.filter(({ ttlMs }) => ttlMs === undefined)).toEqual([]);
    for (const { ttlMs } of run.keysAfter) expect(ttlMs).toBeLessThanOrEqual(600_000);
  });
});
