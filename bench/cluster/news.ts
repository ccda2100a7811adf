import { ClusterRig, type Member, type MemberEvent } from '../../__tests__/cluster/harness';
import { at, pause } from './figures';

const PROCESSES = 4;
/** The provider is down for so long in each round; then a probe finds it well. */
const DOWN_MS = 1_500;
const WELL_MS = 6_000;

/** Time until the others' breakers are open, when one process has seen an outage. */
export async function news(isQuick: boolean): Promise<void> {
  const rounds = isQuick ? 3 : 10;
  const rig = new ClusterRig();
  const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
  const members = await rig.members(PROCESSES, {
    endpoints: [provider.endpoint()],
    breaker: { resetTimeoutMs: 2_000, rampMs: 0 },
    retry: { maxAttempts: 1 },
    cluster: { redis: redis.url },
  });
  const delays: number[] = [];
  let missed = 0;
  for (let round = 0; round < rounds; round++) {
    const seer = members[round % PROCESSES]!;
    await Promise.all(members.map((member) => member.load({ perSecond: 5, forMs: 400, timeoutMs: 500 })));
    for (const member of members) member.events.splice(0);
    await provider.provider.fault({ kind: 'err5xx', forMs: DOWN_MS });
    await seer.load({ perSecond: 20, forMs: 1_000, timeoutMs: 500 });
    await pause(500);
    const openedAt = firstOpened(seer);
    for (const other of members) {
      if (other === seer || openedAt === undefined) continue;
      const told = firstOpened(other);
      if (told === undefined) missed++;
      else delays.push(told - openedAt);
    }
    // Until every breaker is closed again.
    const well = performance.now() + WELL_MS;
    while (performance.now() < well) {
      await Promise.all(members.map((member) => member.load({ perSecond: 5, forMs: 400, timeoutMs: 500 })));
      if ((await Promise.all(members.map(stateOf))).every((state) => state === 'closed')) break;
    }
  }
  await rig.close();
  console.log(
    `One of ${PROCESSES} processes sees an outage, ${rounds} rounds: milliseconds until the others' breakers are open`,
  );
  console.table([
    {
      openings: delays.length,
      missed,
      p50: at(delays, 0.5).toFixed(0),
      slowest: Math.max(...delays).toFixed(0),
    },
  ]);
}

function firstOpened({ events }: Member): number | undefined {
  const isOpening = ({ name, event }: MemberEvent) =>
    name === 'state' && (event as { state: string }).state === 'open';
  return events.find(isOpening)?.at;
}

async function stateOf(member: Member): Promise<string | undefined> {
  return (await member.stats()).endpoints[0]?.state;
}
