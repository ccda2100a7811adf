import type { Cluster } from '../cluster/cluster';
import type { Ledgers, LedgerTerms } from './ledger';

/** In Redis, for all processes of a cluster. */
export function leasedLedgers(cluster: Cluster): Ledgers {
  return {
    open: (id, bucket, terms) => cluster.open(id, bucket, inMilliseconds(terms)),
    configure: (id, terms) => cluster.configure(id, inMilliseconds(terms)),
    day: (id, limit) => cluster.days.open(id, limit),
  };
}

function inMilliseconds({ limit, burstSeconds }: LedgerTerms): { limit: number; depthMs: number } {
  return { limit, depthMs: burstSeconds * 1_000 };
}
