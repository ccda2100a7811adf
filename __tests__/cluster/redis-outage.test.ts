import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { requires } from '../helpers/requires';
import {
  ClusterRig,
  type ObservedLimit,
  type Outcome,
  type RedisServer,
  usedShare,
  worstExcess,
} from './harness';

requireExclusiveMachine();

jest.setTimeout(60_000);

const rig = new ClusterRig();
afterAll(() => rig.close());

const BEFORE_MS = 3_000;
const OUTAGE_MS = 2_000;
const AFTER_MS = 2_500;
/** What the machine itself may add to a call under all tests at once, in milliseconds: the bench has the true figures. */
const NOISE_MS = 250;
/** Far above its load. */
const ROOMY = 'gpt-4o';
/** Far below its load. */
const SCARCE = 'gpt-4o-mini';
const LIMIT: ObservedLimit = { unit: 'requests', perMinute: 600, burstSeconds: 3 };

type Trouble = [name: string, live: (redis: RedisServer) => Promise<unknown>];
const TROUBLES: Trouble[] = [
  [
    'a kill -9 and an empty start',
    async (redis) => {
      await redis.kill9();
      await pause(OUTAGE_MS);
      await redis.restart();
    },
  ],
  [
    'a freeze',
    async (redis) => {
      redis.stop();
      await pause(OUTAGE_MS);
      redis.cont();
    },
  ],
  ['a restart', (redis) => redis.restart({ keep: true })],
  ['a flush', (redis) => redis.flush()],
];

/** One load over all troubles, and when each began and what comes of it was over. */
async function live() {
  const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
  const { perMinute: rpm, burstSeconds = 10 } = LIMIT;
  const members = await rig.members(3, {
    endpoints: [
      provider.endpoint({ model: ROOMY, rpm: 3_000 }),
      provider.endpoint({ name: 'scarce', model: SCARCE, rpm, burstSeconds }),
    ],
    fallbacks: {},
    cluster: { redis: redis.url },
  });
  const startedAt = Date.now();
  const forMs = BEFORE_MS + 2 * OUTAGE_MS + TROUBLES.length * AFTER_MS;
  const both = Promise.all([
    Promise.all(
      members.map((member) => member.load({ model: ROOMY, perSecond: 8, forMs, timeoutMs: 10_000 })),
    ),
    Promise.all(
      members.map((member) => member.load({ model: SCARCE, perSecond: 15, forMs, timeoutMs: 1_000 })),
    ),
  ]);
  await pause(BEFORE_MS);
  const phases = new Map<string, { from: number; to: number }>();
  for (const [name, trouble] of TROUBLES) {
    const from = Date.now();
    await trouble(redis);
    await pause(AFTER_MS);
    phases.set(name, { from, to: Date.now() });
  }
  const [roomy, scarce] = await both;
  const admissions = (await provider.admissions()).filter(({ model }) => model === SCARCE);
  return { roomy: roomy.flat(), scarce: scarce.flat(), startedAt, phases, admissions, members };
}

const worst = (outcomes: readonly Outcome[]) => Math.max(...outcomes.map(({ ms }) => ms));

requires('redis-server').describe('in the middle of the load', () => {
  let run: Awaited<ReturnType<typeof live>>;
  beforeAll(async () => {
    run = await live();
  });

  describe.each(TROUBLES)('%s of Redis', (name) => {
    it('loses no call that has quota and holds none up', () => {
      const { roomy: outcomes, startedAt, phases } = run;
      const { from, to } = phases.get(name)!;
      const firstAt = Math.min(...[...phases.values()].map(({ from }) => from));
      // The first calls of a process are slow by themselves.
      const before = outcomes.filter(({ startedAt: at }) => at > startedAt + 1_000 && at < firstAt - 200);
      const since = outcomes.filter(({ startedAt: at }) => at >= from - 200 && at < to - 200);
      expect(since.length).toBeGreaterThan(50);
      expect(since.filter(({ code }) => code !== undefined)).toEqual([]);
      expect(worst(since)).toBeLessThan(worst(before) + 50 + NOISE_MS);
    });

    it('lets no more than 110 % of the limit through in any window, all processes together', () => {
      const { admissions, phases } = run;
      const { from, to } = phases.get(name)!;
      const since = admissions.filter(({ at }) => at < to);
      expect(worstExcess(since, LIMIT, 0.1)).toBeLessThanOrEqual(0);
      expect(usedShare(admissions, LIMIT, from, to)).toBeGreaterThan(0.7);
    });
  });

  it('every call ends, and fails for want of quota only', () => {
    expect(run.members.map(({ unfinished: unended }) => unended)).toEqual([0, 0, 0]);
    const codes = new Set(run.scarce.map(({ code }) => code));
    expect(codes).toContain('ERR_AI_SATURATED');
    // One that got its quota at the last moment is late on a busy machine.
    for (const known of [undefined, 'ERR_AI_SATURATED', 'ERR_AI_DEADLINE']) codes.delete(known);
    expect([...codes]).toEqual([]);
  });

  it('each process is on its own for as long as it must be, not again and again', () => {
    for (const { events } of run.members) {
      const modes = events
        .filter(({ name }) => name === 'cluster')
        .map(({ event }) => (event as { mode: string }).mode);
      expect(modes.at(-1)).toBe('shared');
      // A flush is no outage.
      const outages = modes.filter((mode) => mode === 'local-share').length;
      expect(outages).toBeGreaterThanOrEqual(2);
      expect(outages).toBeLessThanOrEqual(TROUBLES.length);
    }
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
