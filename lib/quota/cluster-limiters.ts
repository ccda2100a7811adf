import type { Cluster } from '../cluster/cluster';
import type { LimiterOptions, LimiterStore } from './limiter';

/** In Redis, for all processes of a cluster. */
export function clusterLimiters(cluster: Cluster): LimiterStore {
  return {
    open: (id, bucket, terms) => cluster.open(id, bucket, inMilliseconds(terms)),
    configure: (id, terms) => cluster.configure(id, inMilliseconds(terms)),
    day: (id, limit) => cluster.dayLimits.open(id, limit),
  };
}

function inMilliseconds({ limit, burstSeconds }: LimiterOptions): { limit: number; depthMs: number } {
  return { limit, depthMs: burstSeconds * 1_000 };
}
