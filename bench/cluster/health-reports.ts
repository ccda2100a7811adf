import { ClusterRig, type Member, type MemberEvent } from '../../__tests__/cluster/harness';
import { pause, percentile } from './figures';

const PROCESSES = 4;
const DOWN_MS = 1_200;

/** Time from the opening of one process's breaker to those of its peers. */
export async function healthReports(isQuick: boolean): Promise<void> {
  const rounds = isQuick ? 4 : 20;
  const rig = new ClusterRig();
  const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
  // One endpoint per round: peers ignore reports about an endpoint that has just served them in spite of one.
  const endpoints = Array.from({ length: rounds }, (_, round) =>
    provider.endpoint({ name: `key-${round}`, aliases: [`model-${round}`] }),
  );
  const members = await rig.members(PROCESSES, {
    endpoints,
    breaker: { resetTimeoutMs: 20_000 },
    retry: { maxAttempts: 1 },
    fallbacks: {},
    cluster: { redis: redis.url },
  });
  const delays: number[] = [];
  let missed = 0;
  for (let round = 0; round < rounds; round++) {
    const reporter = members[round % PROCESSES]!;
    const load = { model: `model-${round}`, timeoutMs: 500 };
    await Promise.all(members.map((member) => member.load({ ...load, perSecond: 10, forMs: 200 })));
    for (const member of members) member.events.splice(0);
    await provider.provider.fault({ kind: 'err5xx', forMs: DOWN_MS });
    await reporter.load({ ...load, perSecond: 20, forMs: 500 });
    await pause(DOWN_MS - 500);
    const openedAt = firstOpened(reporter);
    for (const other of members) {
      if (other === reporter || openedAt === undefined) continue;
      const otherOpenedAt = firstOpened(other);
      if (otherOpenedAt === undefined) missed++;
      else delays.push(otherOpenedAt - openedAt);
    }
  }
  await rig.close();
  console.log(
    `One of ${PROCESSES} processes sees an outage, ${rounds} rounds: milliseconds until the breakers of its peers open`,
  );
  console.table([
    {
      openings: delays.length,
      missed,
      p50: percentile(delays, 0.5).toFixed(0),
      slowest: Math.max(...delays).toFixed(0),
    },
  ]);
}

function firstOpened({ events }: Member): number | undefined {
  const isOpening = ({ name, event }: MemberEvent) =>
    name === 'breaker' && (event as { state: string }).state === 'open';
  return events.find(isOpening)?.at;
}
