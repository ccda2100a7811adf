/**
 * Many processes, one Redis: what the cluster adds to a call, what it asks of Redis, whether the limits hold and are
 * used, what an outage of Redis does to calls, what an idle process spends, how soon news arrive. Real processes, a real
 * redis-server on loopback, sockets to a provider in a process of its own.
 * `npx tsx bench/cluster.ts [--quick] [latency|trips|limit|outage|idle|news ...]`
 */
import { findProgram } from '../__tests__/helpers/programs';
import { healthReports } from './cluster/health-reports';
import { idle } from './cluster/idle';
import { latency } from './cluster/latency';
import { limit } from './cluster/limit';
import { outage } from './cluster/outage';
import { roundTrips } from './cluster/round-trips';

const PARTS: Record<string, (isQuick: boolean) => Promise<void>> = {
  latency,
  trips: roundTrips,
  limit,
  outage,
  idle,
  news: healthReports,
};

async function main(): Promise<void> {
  if (findProgram('redis-server') === undefined) {
    console.log('Left out: redis-server is not installed here.');
    return;
  }
  const args = process.argv.slice(2);
  const named = args.filter((arg) => !arg.startsWith('--'));
  for (const [name, part] of Object.entries(PARTS)) {
    if (named.length === 0 || named.includes(name)) await part(args.includes('--quick'));
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
