import { ClusterRig } from '../../__tests__/cluster/harness';

/** Round trips, scripts and commands in Redis per call, including what a process does without calls. */
export async function roundTrips(isQuick: boolean): Promise<void> {
  const rows: Record<string, string | number>[] = [];
  for (const { processes, perSecond } of [
    { processes: 1, perSecond: 1 },
    { processes: 1, perSecond: 20 },
    { processes: 1, perSecond: 200 },
    { processes: 1, perSecond: 400 },
    { processes: 4, perSecond: 200 },
    { processes: 4, perSecond: 400 },
  ]) {
    const seconds = (isQuick ? 0.4 : 1) * (perSecond < 10 ? 20 : 10);
    rows.push({ processes, 'calls per second': perSecond, ...(await count(processes, perSecond, seconds)) });
  }
  console.log(
    'Traffic to Redis, with limits on requests and tokens of 1.25 times the load (at least 60 per minute)',
  );
  console.table(rows);
}

async function count(processes: number, perSecond: number, seconds: number) {
  const rig = new ClusterRig();
  try {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const proxy = await rig.proxy(redis);
    const rpm = Math.max(60, perSecond * 75);
    const members = await rig.members(processes, {
      endpoints: [provider.endpoint({ rpm, tpm: rpm * 100 })],
      cluster: { redis: proxy.url },
    });
    await redis.resetCounts();
    const before = proxy.trips;
    const load = { perSecond: perSecond / processes, forMs: seconds * 1_000 };
    const outcomes = (await Promise.all(members.map((member) => member.load(load)))).flat();
    const trips = proxy.trips - before;
    const counts = await redis.commandCounts();
    const scripts = counts.evalsha ?? 0;
    const commands = Object.values(counts).reduce((sum, calls) => sum + calls, 0);
    const perCall = (total: number) => (total / outcomes.length).toFixed(3);
    return {
      calls: outcomes.length,
      failed: outcomes.filter(({ code }) => code !== undefined).length,
      'round trips per call': perCall(trips),
      'scripts per call': perCall(scripts),
      'commands per call, including scripts': perCall(commands),
      'round trips per second': (trips / seconds).toFixed(1),
    };
  } finally {
    await rig.close();
  }
}
