import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { requires } from '../helpers/requires';
import {
  ClusterRig,
  type ObservedLimit,
  type Outcome,
  type RedisServer,
  unitsLate,
  usedShare,
  worstExcess,
} from './harness';

requireExclusiveMachine();

const rig = new ClusterRig();
afterAll(() => rig.close());

const BEFORE_MS = 3_000;
const OUTAGE_MS = 2_000;
const AFTER_MS = 2_500;
/** What a busy test machine may add to a call, in milliseconds: less than an outage lasts. The bench has the real figures. */
const NOISE_MS = 1_200;
/** How long a call may wait for a Redis that hangs. */
const REDIS_TIMEOUT_MS = 250;
/** Its limit is far above its load. */
const AMPLE = 'gpt-4o';
/** Its limit is far below its load. */
const SCARCE = 'gpt-4o-mini';
const LIMIT: ObservedLimit = { unit: 'requests', perMinute: 600, burstSeconds: 3 };

type Outage = [name: string, run: (redis: RedisServer) => Promise<unknown>];
const OUTAGES: Outage[] = [
  [
    'is killed and restarts empty',
    async (redis) => {
      await redis.kill9();
      await pause(OUTAGE_MS);
      await redis.restart();
    },
  ],
  [
    'hangs for two seconds',
    async (redis) => {
      redis.stop();
      await pause(OUTAGE_MS);
      redis.cont();
    },
  ],
  ['restarts with its keys', (redis) => redis.restart({ keep: true })],
  ['loses all keys', (redis) => redis.flush()],
];

/** Runs one load over all outages. `phases` are the times of each outage and its consequences. */
async function runLoad() {
  const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
  const { perMinute: rpm, burstSeconds = 10 } = LIMIT;
  const members = await rig.members(3, {
    endpoints: [
      provider.endpoint({ model: AMPLE, rpm: 3_000 }),
      provider.endpoint({ name: 'scarce', model: SCARCE, rpm, burstSeconds }),
    ],
    fallbacks: {},
    cluster: { redis: redis.url },
  });
  const startedAt = Date.now();
  // A restart takes a second or two on a busy machine.
  const forMs = BEFORE_MS + 2 * OUTAGE_MS + OUTAGES.length * AFTER_MS + 4_000;
  const both = Promise.all([
    Promise.all(
      members.map((member) => member.load({ model: AMPLE, perSecond: 8, forMs, timeoutMs: 30_000 })),
    ),
    Promise.all(
      members.map((member) => member.load({ model: SCARCE, perSecond: 15, forMs, timeoutMs: 1_000 })),
    ),
  ]);
  await pause(BEFORE_MS);
  const phases = new Map<string, { from: number; to: number }>();
  for (const [name, cause] of OUTAGES) {
    const from = Date.now();
    await cause(redis);
    await pause(AFTER_MS);
    phases.set(name, { from, to: Date.now() });
  }
  const [ample, scarce] = await both;
  const admissions = (await provider.admissions()).filter(({ model }) => model === SCARCE);
  const late = await unitsLate(members, LIMIT);
  return { ample: ample.flat(), scarce: scarce.flat(), startedAt, phases, admissions, members, late };
}

const worst = (outcomes: readonly Outcome[]) => Math.max(...outcomes.map(({ ms }) => ms));

requires('redis-server').describe('Cluster under load:', () => {
  let run: Awaited<ReturnType<typeof runLoad>>;
  beforeAll(async () => {
    run = await runLoad();
  });

  describe.each(OUTAGES)('when Redis %s,', (name) => {
    it('no call that has quota fails or is delayed', () => {
      const { ample: outcomes, startedAt, phases } = run;
      const { from, to } = phases.get(name)!;
      const firstAt = Math.min(...[...phases.values()].map(({ from }) => from));
      // The first calls of a process are slow anyway.
      const before = outcomes.filter(({ startedAt: at }) => at > startedAt + 1_000 && at < firstAt - 200);
      const since = outcomes.filter(({ startedAt: at }) => at >= from - 200 && at < to - 200);
      expect(since.length).toBeGreaterThan(20);
      expect(since.filter(({ code }) => code !== undefined)).toEqual([]);
      expect(worst(since)).toBeLessThan(worst(before) + REDIS_TIMEOUT_MS + 50 + NOISE_MS);
    });

    it('all processes together admit at most 110 % of the limit in any window', () => {
      const { admissions, phases, late } = run;
      const { from, to } = phases.get(name)!;
      const since = admissions.filter(({ at }) => at < to);
      expect(worstExcess(since, LIMIT, 0.1)).toBeLessThanOrEqual(late);
      expect(usedShare(admissions, LIMIT, from, to)).toBeGreaterThan(0.6);
    });
  });

  it('every call settles, and fails only if there is no quota', () => {
    expect(run.members.map(({ unfinished }) => unfinished)).toEqual([0, 0, 0]);
    const codes = new Set(run.scarce.map(({ code }) => code));
    expect(codes).toContain('ERR_AI_SATURATED');
    // A call that got its quota at the last moment may be late on a busy machine.
    for (const known of [undefined, 'ERR_AI_SATURATED', 'ERR_AI_DEADLINE']) codes.delete(known);
    expect([...codes]).toEqual([]);
  });

  it('each process changes its mode once per outage', () => {
    for (const { events } of run.members) {
      const modes = events
        .filter(({ name }) => name === 'cluster')
        .map(({ event }) => (event as { mode: string }).mode);
      expect(modes.at(-1)).toBe('shared');
      // Losing the keys is not an outage.
      const outages = modes.filter((mode) => mode === 'local-share').length;
      expect(outages).toBeGreaterThanOrEqual(2);
      expect(outages).toBeLessThanOrEqual(OUTAGES.length);
    }
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
