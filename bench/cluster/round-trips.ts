import { ClusterRig } from '../../__tests__/cluster/harness';

/** What the calls of one process, and of several, ask of Redis. All of it counts, also what a process does by itself. */
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
    rows.push({ processes, 'calls a second': perSecond, ...(await count(processes, perSecond, seconds)) });
  }
  console.log(
    'Asked of Redis, with a limit on requests and one on tokens, 1.25 times the load (or 60 a minute)',
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
    const made = proxy.trips - before;
    const counts = await redis.commandCounts();
    const scripts = counts.evalsha ?? 0;
    const commands = Object.values(counts).reduce((sum, calls) => sum + calls, 0);
    const each = (total: number) => (total / outcomes.length).toFixed(3);
    return {
      calls: outcomes.length,
      failed: outcomes.filter(({ code }) => code !== undefined).length,
      'round trips a call': each(made),
      'scripts a call': each(scripts),
      'commands a call, those in scripts too': each(commands),
      'round trips a second': (made / seconds).toFixed(1),
    };
  } finally {
    await rig.close();
  }
}
