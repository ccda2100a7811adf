import { ClusterRig, type ObservedLimit, usedShare, worstExcess } from '../../__tests__/cluster/harness';
import { percent } from './figures';

const REQUESTS: ObservedLimit = { unit: 'requests', perMinute: 600 };
const TOKENS: ObservedLimit = { unit: 'tokens', perMinute: 60_000 };
const DRAINED_MS = 4_000;
/** Milliseconds by which the clock of each process is ahead. */
const SHIFTS = [0, 0, 0, 60_000];

/** Four processes share a quota under a load of ten times the limit. */
export async function limit(isQuick: boolean): Promise<void> {
  const runMs = isQuick ? 15_000 : 60_000;
  const rig = new ClusterRig();
  const [redis, provider] = await Promise.all([rig.redis(), rig.provider()]);
  const config = {
    endpoints: [provider.endpoint({ rpm: REQUESTS.perMinute, tpm: TOKENS.perMinute })],
    cluster: { redis: redis.url },
  };
  const members = await Promise.all(SHIFTS.map((clockShiftMs) => rig.member({ config, clockShiftMs })));
  const startedAt = Date.now();
  const outcomes = await Promise.all(
    members.map((member) => member.load({ perSecond: 25, forMs: runMs, timeoutMs: 5_000 })),
  );
  const admissions = await provider.admissions();
  await rig.close();
  console.log(
    `Four processes, 600 requests and 60,000 tokens per minute, one clock 60 s ahead, 100 calls per second for ${runMs / 1_000} s`,
  );
  console.table(
    [REQUESTS, TOKENS].map((each) => {
      const rate = each.perMinute / 60_000;
      const depth = (each.perMinute / 60) * 10;
      const inTime = admissions.filter(({ at }) => at < startedAt + runMs);
      const all = usedShare(inTime, each, startedAt, startedAt + runMs) * rate * runMs;
      return {
        limit: each.unit,
        'worst window: depth needed, % of allowed': percent(
          (worstExcess(admissions, each, 0) + depth) / depth,
        ),
        'used after 4 s, % of rate * t': percent(
          usedShare(admissions, each, startedAt + DRAINED_MS, startedAt + runMs),
        ),
        'used in total, % of depth + rate * t': percent(all / (depth + rate * runMs)),
      };
    }),
  );
  console.table(
    outcomes.map((own, index) => ({
      process: `${index + 1}${SHIFTS[index] ? ', clock a minute ahead' : ''}`,
      calls: own.length,
      answered: own.filter(({ code }) => code === undefined).length,
      'in time': percent(own.filter(({ code }) => code === undefined).length / own.length),
      'failed for another reason than quota': own.filter(
        ({ code }) => code !== undefined && code !== 'ERR_AI_SATURATED',
      ).length,
    })),
  );
}
