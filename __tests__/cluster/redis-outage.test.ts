import { requires } from '../helpers/requires';
import {
  ClusterRig,
  type Member,
  type ObservedLimit,
  type Outcome,
  type RedisServer,
  taken,
} from './harness';

jest.setTimeout(60_000);

const rig = new ClusterRig();
afterEach(() => rig.close());

const BEFORE_MS = 2_500;
const OUTAGE_MS = 2_500;
const AFTER_MS = 3_000;
const RUN_MS = BEFORE_MS + OUTAGE_MS + AFTER_MS;
/** What the machine itself may add to a call under all tests at once, in milliseconds. */
const NOISE_MS = 100;

type Trouble = [name: string, begin: (redis: RedisServer) => unknown, end: (redis: RedisServer) => unknown];
const TROUBLES: Trouble[] = [
  ['a kill -9', (redis) => redis.kill9(), (redis) => redis.restart()],
  ['a freeze', (redis) => redis.stop(), (redis) => redis.cont()],
  ['a restart', (redis) => redis.restart({ keep: true }), () => undefined],
];

async function live(
  [, begin, end]: Trouble,
  { rpm, perSecond, timeoutMs }: { rpm: number; perSecond: number; timeoutMs: number },
) {
  const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
  const config = { endpoints: [provider.endpoint({ rpm })], cluster: { redis: redis.url } };
  const members: Member[] = await rig.members(3, config);
  const startedAt = Date.now();
  const loads = Promise.all(members.map((member) => member.load({ perSecond, forMs: RUN_MS, timeoutMs })));
  await pause(BEFORE_MS);
  const outageAt = Date.now();
  await begin(redis);
  await pause(OUTAGE_MS);
  await end(redis);
  const outcomes = (await loads).flat();
  return { outcomes, startedAt, outageAt, admissions: await provider.admissions(), members };
}

const worst = (outcomes: readonly Outcome[]) => Math.max(...outcomes.map(({ ms }) => ms));

requires('redis-server').describe.each(TROUBLES)('%s of Redis in the middle of the load', (...trouble) => {
  it('loses no call that has quota and holds none up', async () => {
    const { outcomes, startedAt, outageAt, members } = await live(trouble, {
      rpm: 3_000,
      perSecond: 8,
      timeoutMs: 10_000,
    });
    expect(outcomes.filter(({ code }) => code !== undefined)).toEqual([]);
    expect(members.map(({ unended }) => unended)).toEqual([0, 0, 0]);
    // The first calls of a process are slow by themselves.
    const before = outcomes.filter(({ startedAt: at }) => at > startedAt + 1_000 && at < outageAt - 200);
    const since = outcomes.filter(({ startedAt: at }) => at >= outageAt - 200);
    expect(since.length).toBeGreaterThan(80);
    expect(worst(since)).toBeLessThan(worst(before) + 50 + NOISE_MS);
  });

  it('lets no more than 110 % of the limit through, all processes together', async () => {
    const limit: ObservedLimit = { unit: 'requests', perMinute: 600 };
    const { admissions, startedAt } = await live(trouble, {
      rpm: limit.perMinute,
      perSecond: 15,
      timeoutMs: 2_000,
    });
    const endedAt = Math.max(...admissions.map(({ at }) => at));
    const allowed = (limit.perMinute / 60) * (10 + (endedAt - startedAt) / 1_000);
    expect(taken(admissions, 'requests')).toBeLessThanOrEqual(1.1 * allowed);
    expect(taken(admissions, 'requests')).toBeGreaterThan(0.7 * allowed);
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
