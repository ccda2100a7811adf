/**
 * Several processes that share one Redis: latency added to a call, round trips to Redis, whether the limits hold and are
 * used, also with a distant Redis, calls during an outage of Redis, CPU of an idle process, and how soon health reports
 * arrive. With real processes, a redis-server on loopback and sockets to a provider in a separate process.
 * `npm run bench -- cluster`, or `npx tsx bench/cluster.ts [--quick] [latency|trips|limit|distance|outage|idle|reports ...]`
 */
import { findProgram } from '../__tests__/helpers/programs';
import { distance } from './cluster/distance';
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
  distance,
  outage,
  idle,
  reports: healthReports,
};

async function main(): Promise<void> {
  if (findProgram('redis-server') === undefined) {
    console.log('Skipped: redis-server is not installed.');
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
