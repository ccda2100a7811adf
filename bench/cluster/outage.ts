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

/** An outage of Redis under load: calls that have quota, and a limit whose load is seven times as high. */
export async function outage(isQuick: boolean): Promise<void> {
  const ms = isQuick
    ? { before: 3_000, outage: 2_000, after: 3_000 }
    : { before: 10_000, outage: 8_000, after: 12_000 };
  const rows: Record<string, string | number>[] = [];
  for (const outage of REDIS_OUTAGES) rows.push({ outage: outage[0], ...(await runOutage(outage, ms)) });
  console.log(
    `Redis is unreachable for ${ms.outage / 1_000} of ${(ms.before + ms.outage + ms.after) / 1_000} s. Four processes: 40 calls per second with quota (milliseconds), and 72 per second with a limit of 600 per minute`,
  );
  console.table(rows);
}

async function runOutage([, begin, end]: RedisOutage, ms: { before: number; outage: number; after: number }) {
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
    const forMs = ms.before + ms.outage + ms.after;
    const runLoad = (model: string, perSecond: number, timeoutMs: number) =>
      Promise.all(members.map((member) => member.load({ model, perSecond, forMs, timeoutMs })));
    const loads = Promise.all([runLoad(UNCONSTRAINED, 10, 10_000), runLoad(CONSTRAINED, 18, 1_000)]);
    await pause(ms.before);
    const outageAt = Date.now();
    await begin(redis);
    await pause(outageAt + ms.outage - Date.now());
    await end(redis);
    const unconstrained = (await loads)[0].flat();
    const admissions = (await provider.admissions()).filter(({ model }) => model === CONSTRAINED);
    // The first calls of a process are slow anyway.
    const before = unconstrained.filter(
      (call) => call.startedAt > startedAt + 1_000 && call.startedAt < outageAt - 200,
    );
    const since = unconstrained.filter((call) => call.startedAt >= outageAt - 200);
    const times = (calls: readonly Outcome[]) => calls.map((call) => call.ms);
    const show = (calls: readonly Outcome[]) =>
      [0.5, 0.99, 1].map((share) => percentile(times(calls), share).toFixed(1)).join(' / ');
    const depth = (LIMIT.perMinute / 60) * 10;
    const endedAt = Math.max(...admissions.map((admission) => admission.at));
    const allowed = depth + (LIMIT.perMinute / 60_000) * (endedAt - startedAt);
    return {
      calls: unconstrained.length,
      failed: unconstrained.filter(({ code }) => code !== undefined).length,
      'p50 / p99 / slowest before': show(before),
      'p50 / p99 / slowest since': show(since),
      'admitted, % of depth + rate * t': percent(taken(admissions, 'requests') / allowed),
      'worst window: depth needed, %': percent((worstExcess(admissions, LIMIT, 0) + depth) / depth),
    };
  } finally {
    await rig.close();
  }
}
