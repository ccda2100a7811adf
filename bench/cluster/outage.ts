import {
  ClusterRig,
  type ObservedLimit,
  type Outcome,
  type RedisServer,
  taken,
  worstExcess,
} from '../../__tests__/cluster/harness';
import { pause, percent, percentile } from './figures';

const UNCONSTRAINED = 'gpt-4o';
const CONSTRAINED = 'gpt-4o-mini';
const LIMIT: ObservedLimit = { unit: 'requests', perMinute: 600 };

type RedisOutage = [
  name: string,
  begin: (redis: RedisServer) => unknown,
  end: (redis: RedisServer) => unknown,
];
const REDIS_OUTAGES: RedisOutage[] = [
  ['kill -9, then an empty start', (redis) => redis.kill9(), (redis) => redis.restart()],
  ['SIGSTOP, then SIGCONT', (redis) => redis.stop(), (redis) => redis.cont()],
  ['restart with its keys', (redis) => redis.restart({ keep: true }), () => undefined],
];

/** Redis goes away in the middle: calls that have quota, and a limit that is wanted seven times over. */
export async function outage(isQuick: boolean): Promise<void> {
  const ms = isQuick
    ? { before: 3_000, away: 2_000, after: 3_000 }
    : { before: 10_000, away: 8_000, after: 12_000 };
  const rows: Record<string, string | number>[] = [];
  for (const trouble of REDIS_OUTAGES) rows.push({ trouble: trouble[0], ...(await runOutage(trouble, ms)) });
  console.log(
    `Redis goes away for ${ms.away / 1_000} s in the middle of ${(ms.before + ms.away + ms.after) / 1_000} s; four processes. Calls with quota: 40 a second, in milliseconds; a limit of 600 a minute: 72 a second`,
  );
  console.table(rows);
}

async function runOutage([, begin, end]: RedisOutage, ms: { before: number; away: number; after: number }) {
  const rig = new ClusterRig();
  try {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const members = await rig.members(4, {
      endpoints: [
        provider.endpoint({ model: UNCONSTRAINED, rpm: 6_000 }),
        provider.endpoint({ name: 'scarce', model: CONSTRAINED, rpm: LIMIT.perMinute }),
      ],
      fallbacks: {},
      cluster: { redis: redis.url },
    });
    const startedAt = Date.now();
    const forMs = ms.before + ms.away + ms.after;
    const play = (model: string, perSecond: number, timeoutMs: number) =>
      Promise.all(members.map((member) => member.load({ model, perSecond, forMs, timeoutMs })));
    const both = Promise.all([play(UNCONSTRAINED, 10, 10_000), play(CONSTRAINED, 18, 1_000)]);
    await pause(ms.before);
    const awayAt = Date.now();
    await begin(redis);
    await pause(awayAt + ms.away - Date.now());
    await end(redis);
    const unconstrained = (await both)[0].flat();
    const admissions = (await provider.admissions()).filter(({ model }) => model === CONSTRAINED);
    // The first calls of a process are slow by themselves.
    const before = unconstrained.filter(
      (call) => call.startedAt > startedAt + 1_000 && call.startedAt < awayAt - 200,
    );
    const since = unconstrained.filter((call) => call.startedAt >= awayAt - 200);
    const times = (calls: readonly Outcome[]) => calls.map((call) => call.ms);
    const show = (calls: readonly Outcome[]) =>
      [0.5, 0.99, 1].map((share) => percentile(times(calls), share).toFixed(1)).join(' / ');
    const depth = (LIMIT.perMinute / 60) * 10;
    const endedAt = Math.max(...admissions.map((admission) => admission.at));
    const allowed = depth + (LIMIT.perMinute / 60_000) * (endedAt - startedAt);
    return {
      calls: unconstrained.length,
      lost: unconstrained.filter(({ code }) => code !== undefined).length,
      'p50 / p99 / slowest before': show(before),
      'p50 / p99 / slowest since': show(since),
      'admitted, % of depth + rate * t': percent(taken(admissions, 'requests') / allowed),
      'worst window: depth needed, %': percent((worstExcess(admissions, LIMIT, 0) + depth) / depth),
    };
  } finally {
    await rig.close();
  }
}
