import axios from 'axios';
import { ClusterRig } from '../../__tests__/cluster/harness';
import { type Balancer, type BalancerConfig, createBalancer } from '../../lib/index';
import { BODY, instantAdapter } from '../instant-adapter';
import { pause, percentile } from './figures';

const adapter = instantAdapter();
const RUNS = 3;
/** An unused lease is returned after about a second, so a balancer with this interval between calls has none. */
const NO_LEASE_MS = 1_400;
const AMPLE_LIMITS = { rpm: 1_000_000, tpm: 100_000_000 };
const TYPICAL_LIMITS = { rpm: 600, tpm: 60_000 };

interface Scenario {
  readonly name: string;
  readonly limits: { readonly rpm: number; readonly tpm: number };
  /** Called in turn. */
  readonly balancers: number;
  /** Whether they are one cluster. Otherwise each is a cluster of its own. */
  readonly together: boolean;
  readonly rounds: number;
  /** Milliseconds between two calls. */
  readonly gapMs: number;
}

/** Latency that a cluster adds to a call. Balancers with and without one alternate, so that both run under the same load. */
export async function latency(isQuick: boolean): Promise<void> {
  const few = isQuick ? 60 : 200;
  const alone = { balancers: 1, together: false };
  const scenarios: Scenario[] = [
    { ...alone, name: 'one after another', limits: AMPLE_LIMITS, rounds: isQuick ? 2_000 : 10_000, gapMs: 0 },
    { ...alone, name: '100 per second', limits: AMPLE_LIMITS, rounds: isQuick ? 200 : 1_000, gapMs: 10 },
    { ...alone, name: '5 per second, limit 600 per minute', limits: TYPICAL_LIMITS, rounds: few, gapMs: 200 },
    {
      name: '2 per second in each of 4 processes, limit 600 per minute',
      limits: TYPICAL_LIMITS,
      balancers: 4,
      together: true,
      rounds: few,
      gapMs: 125,
    },
    {
      name: `one in ${NO_LEASE_MS / 1_000} s, without a lease`,
      limits: AMPLE_LIMITS,
      balancers: 20,
      together: false,
      rounds: few,
      gapMs: NO_LEASE_MS / 20,
    },
  ];
  const rows: Record<string, string | number>[] = [];
  for (const scenario of scenarios) {
    const runs: { p50: number; p95: number; without: number[]; shared: number[] }[] = [];
    for (let run = 0; run < (isQuick ? 2 : RUNS); run++) {
      const { without, shared } = await compare(scenario);
      const added = (share: number) => percentile(shared, share) - percentile(without, share);
      runs.push({ p50: added(0.5), p95: added(0.95), without, shared });
    }
    const all = (side: 'without' | 'shared', share: number) =>
      Math.round(
        percentile(
          runs.flatMap((run) => run[side]),
          share,
        ),
      );
    const range = (values: number[]) =>
      `${percentile(values, 0.5).toFixed(0)} (${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)})`;
    rows.push({
      calls: scenario.name,
      'alone p50': all('without', 0.5),
      'alone p95': all('without', 0.95),
      'cluster p50': all('shared', 0.5),
      'cluster p95': all('shared', 0.95),
      'added p50': range(runs.map(({ p50 }) => p50)),
      'added p95': range(runs.map(({ p95 }) => p95)),
    });
  }
  console.log('Microseconds per call while quota is available. added: median of the runs, and their range');
  console.table(rows);
}

async function compare(scenario: Scenario): Promise<Record<'without' | 'shared', number[]>> {
  const { balancers, together, rounds, gapMs, limits } = scenario;
  const rig = new ClusterRig();
  const redis = await rig.redis();
  const sides = {
    without: Array.from({ length: balancers }, () => balancerOf(limits)),
    shared: Array.from({ length: balancers }, (_, index) =>
      balancerOf(limits, { redis: redis.url, prefix: together ? 'all' : `of-${index}` }),
    ),
  };
  const all = [...sides.without, ...sides.shared];
  await Promise.all(all.map((balancer) => balancer.ready()));
  const times = { without: [] as number[], shared: [] as number[] };
  const names = ['without', 'shared'] as const;
  const warmUp = Math.max(balancers, Math.round(rounds / 10));
  for (let round = -warmUp; round < rounds; round++) {
    // The first call after a pause runs with colder caches.
    for (const name of round % 2 === 0 ? names : [...names].reverse()) {
      if (gapMs > 0) await pause(gapMs / 2);
      const balancer = sides[name][(round + warmUp) % balancers]!;
      const start = performance.now();
      await balancer.chat(BODY);
      if (round >= 0) times[name].push((performance.now() - start) * 1_000);
    }
  }
  const isShared = sides.shared.every((balancer) => balancer.stats().cluster?.mode === 'shared');
  if (!isShared) throw new Error('Redis counted as unreachable: the machine is too busy for this bench');
  await Promise.all(all.map((balancer) => balancer.close({ graceMs: 0 })));
  await rig.close();
  return times;
}

function balancerOf(limits: Scenario['limits'], cluster?: BalancerConfig['cluster']): Balancer {
  return createBalancer({
    endpoints: [
      {
        name: 'key',
        model: 'gpt-4o',
        apiKey: 'sk-test',
        baseURL: 'http://upstream.invalid/v1',
        ...limits,
      },
    ],
    hedge: false,
    http: { axios: axios.create({ adapter }) },
    ...(cluster ? { cluster } : {}),
  });
}
