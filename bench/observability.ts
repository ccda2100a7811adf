/**
 * The CPU time of a call by what observes it, over an axios adapter that answers immediately. What nobody looks at should
 * cost at most 3 % more than a balancer without listeners and logger. `npx tsx bench/observability.ts [--quick]`
 */
import axios from 'axios';
import { aiDashboard, aiMetrics, type Balancer, createBalancer, instrument } from '../lib/index';
import { BODY, instantAdapter } from './instant-adapter';
import { median } from './statistics';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 60 : 300;
// Short rounds, so that the load of the machine is about the same in those that are compared.
const CALLS = 200;
const CONCURRENCY = 20;
const ENDPOINTS = 12;

const adapter = instantAdapter();

function balancer(logger?: false): Balancer {
  return createBalancer({
    endpoints: Array.from({ length: ENDPOINTS }, (_, index) => ({
      name: `key-${index}`,
      model: 'gpt-4o',
      apiKey: 'sk-test',
      baseURL: 'http://upstream.invalid/v1',
      rpm: 10_000_000,
      tpm: 1_000_000_000,
    })),
    hedge: false,
    ...(logger === undefined ? {} : { logger }),
    http: { axios: axios.create({ adapter }) },
  });
}

function observedBy(observe: (balancer: Balancer) => unknown): Balancer {
  const observed = balancer(false);
  observe(observed);
  return observed;
}

const SIDES: Record<string, Balancer> = {
  'no listeners, `logger: false`': balancer(false),
  'the same again': balancer(false),
  'the default logger': balancer(),
  'aiDashboard mounted, nobody watching': observedBy((each) => aiDashboard(each, { authorize: false })),
  'instrument() without an SDK': observedBy((each) => instrument(each)),
  'aiMetrics attached': observedBy((each) => aiMetrics(each)),
};

/** Microseconds of CPU time per call, with the garbage collection. */
async function measure(side: Balancer): Promise<number> {
  const start = process.cpuUsage();
  for (let done = 0; done < CALLS; done += CONCURRENCY)
    await Promise.all(Array.from({ length: CONCURRENCY }, () => side.chat(BODY)));
  const { user, system } = process.cpuUsage(start);
  return (user + system) / CALLS;
}

async function main(): Promise<void> {
  const sides = Object.entries(SIDES);
  const times = new Map(sides.map(([name]) => [name, [] as number[]]));
  for (let round = 0; round < 10; round++) for (const [, side] of sides) await measure(side);
  for (let round = 0; round < ROUNDS; round++) {
    // Another side begins each round, so that none always runs after the same one.
    for (let turn = 0; turn < sides.length; turn++) {
      const [name, side] = sides[(round + turn) % sides.length]!;
      times.get(name)!.push(await measure(side));
    }
  }
  // Two equal balancers, whose distance from their mean is the error of the measurement.
  const [first, again] = sides.map(([name]) => times.get(name)!) as [number[], number[]];
  const base = first.map((value, round) => (value + again[round]!) / 2);
  console.log(
    `CPU per call, medians of ${ROUNDS} rounds of ${CALLS} calls in turn; node ${process.version}\n`,
  );
  console.log('| what observes | µs per call | over the mean of the first two |\n| --- | ---: | ---: |');
  for (const [name, values] of times) {
    // The rounds are compared in pairs: load of the machine changes from round to round.
    const ratio = median(values.map((value, round) => value / base[round]!));
    console.log(`| ${name} | ${median(values).toFixed(1)} | ${((ratio - 1) * 100).toFixed(1)} % |`);
  }
  await Promise.all(Object.values(SIDES).map((each) => each.close()));
}

void main().then(() => process.exit(0));
