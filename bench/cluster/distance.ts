import {
  type Admission,
  ClusterRig,
  type Member,
  type MemberConfig,
  type ObservedLimit,
  taken,
  worstExcess,
} from '../../__tests__/cluster/harness';
import { pause, percent } from './figures';

const LIMIT: ObservedLimit = { unit: 'requests', perMinute: 600 };
const DEPTH = (LIMIT.perMinute / 60) * 10;
const PROCESSES = 5;
const START_GAP_MS = 4_000;
const LOAD = { perSecond: 20, timeoutMs: 2_000 };
/** From the first process's start: when one is killed, and another starts in its place. */
const KILLED_AT_MS = 26_000;
const RESTARTED_AT_MS = 30_000;

interface Row {
  readonly name: string;
  /** The round trip to Redis, in milliseconds. */
  readonly roundTripMs: number;
  /** From the first process's start: when Redis dies for good. */
  readonly redisDiesAtMs?: number;
}

const ROWS: Row[] = [
  ...[1, 50, 100, 200].map((roundTripMs) => ({ name: `Redis ${roundTripMs} ms away`, roundTripMs })),
  { name: 'Redis dies after 20 s', roundTripMs: 1, redisDiesAtMs: 20_000 },
];

/** Five processes that start one after another share a limit under ten times its load, at some distance from Redis. */
export async function distance(isQuick: boolean): Promise<void> {
  const runMs = isQuick ? 36_000 : 60_000;
  const rows = [];
  for (const row of ROWS) rows.push(await run(row, runMs));
  console.log(
    `Five processes start ${START_GAP_MS / 1_000} s apart, 20 calls per second each, 600 requests per minute; one is killed after ${KILLED_AT_MS / 1_000} s, and if Redis is there another starts ${(RESTARTED_AT_MS - KILLED_AT_MS) / 1_000} s later; ${runMs / 1_000} s`,
  );
  console.table(rows);
}

async function run({ name, roundTripMs, redisDiesAtMs }: Row, runMs: number) {
  const rig = new ClusterRig();
  try {
    const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
    const proxy = await rig.proxy(redis, { delayMs: roundTripMs / 2 });
    const config: MemberConfig = {
      endpoints: [provider.endpoint({ rpm: LIMIT.perMinute })],
      cluster: { redis: proxy.url },
    };
    let startedAt = Date.now();
    const loads: Promise<unknown>[] = [];
    const start = async (afterMs: number): Promise<Member> => {
      await pause(startedAt + afterMs - Date.now());
      const member = await rig.member({ config });
      if (afterMs === 0) startedAt = Date.now();
      // The process that is killed doesn't end its load.
      loads.push(member.load({ ...LOAD, forMs: startedAt + runMs - Date.now() }).catch(() => undefined));
      return member;
    };
    const first = await start(0);
    const later = Array.from({ length: PROCESSES - 1 }, (_, index) => start((index + 1) * START_GAP_MS));
    const events = (async () => {
      const victim = await later[0];
      await pause(startedAt + KILLED_AT_MS - Date.now());
      await victim?.kill9();
      // One that starts while Redis is dead has seen no other process, and takes the whole limit.
      if (redisDiesAtMs === undefined) later.push(start(RESTARTED_AT_MS));
    })();
    const death = (async () => {
      if (redisDiesAtMs === undefined) return;
      await pause(startedAt + redisDiesAtMs - Date.now());
      await redis.kill9();
    })();
    await Promise.all([events, death]);
    const members = [first, ...(await Promise.all(later))];
    await Promise.all(loads);
    const admissions = (await provider.admissions()).filter(({ at }) => at < startedAt + runMs);
    return {
      Redis: name,
      mode: [...new Set(members.map(({ events: seen }) => lastMode(seen)))].join(', '),
      requests: admissions.length,
      'worst window, % of depth + rate * t': percent(worstWindow(admissions)),
      'used in all, % of depth + rate * t': percent(
        taken(admissions, 'requests') / (DEPTH + (LIMIT.perMinute / 60_000) * runMs),
      ),
    };
  } finally {
    await rig.close();
  }
}

function lastMode(events: Member['events']): string {
  const last = events.findLast(({ name }) => name === 'cluster');
  return (last?.event as { mode?: string } | undefined)?.mode ?? 'none';
}

/** The largest share of depth + rate * t that arrived in any window. */
function worstWindow(admissions: readonly Admission[]): number {
  let [low, high] = [0, 10];
  for (let step = 0; step < 30; step++) {
    const share = (low + high) / 2;
    if (worstExcess(admissions, LIMIT, share - 1) > 0) low = share;
    else high = share;
  }
  return high;
}
