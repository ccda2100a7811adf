/**
 * The CPU time of a call by what observes it, over sockets to a provider in another process that answers at once. What
 * nobody looks at should cost at most 3 % more than a balancer without listeners and logger.
 * `npm run bench -- observability [--quick]`
 */
import { aiDashboard, aiMetrics, type Balancer, createBalancer, instrument } from '../lib/index';
import { start } from './express/start';
import { BODY } from './instant-adapter';
import { median } from './statistics';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 60 : 300;
// Short rounds, so that the load of the machine is about the same in those that are compared.
const CALLS = 200;
const CONCURRENCY = 20;
const ENDPOINTS = 12;

function balancer(baseURL: string, logger?: false): Balancer {
  return createBalancer({
    endpoints: Array.from({ length: ENDPOINTS }, (_, index) => ({
      name: `key-${index}`,
      model: 'gpt-4o',
      apiKey: 'sk-test',
      baseURL,
      rpm: 10_000_000,
      tpm: 1_000_000_000,
    })),
    hedge: false,
    ...(logger === undefined ? {} : { logger }),
  });
}

function observedBy(baseURL: string, observe: (balancer: Balancer) => unknown): Balancer {
  const observed = balancer(baseURL, false);
  observe(observed);
  return observed;
}

function sidesOf(url: string): Record<string, Balancer> {
  return {
    'no listeners, `logger: false`': balancer(url, false),
    'the same again': balancer(url, false),
    'the default logger': balancer(url),
    'aiDashboard mounted, nobody watching': observedBy(url, (each) =>
      aiDashboard(each, { authorize: false }),
    ),
    'instrument() without an SDK': observedBy(url, (each) => instrument(each)),
    'aiMetrics attached': observedBy(url, (each) => aiMetrics(each)),
  };
}

/** Microseconds of CPU time per call, with the garbage collection. */
async function measure(side: Balancer): Promise<number> {
  const start = process.cpuUsage();
  for (let done = 0; done < CALLS; done += CONCURRENCY)
    await Promise.all(Array.from({ length: CONCURRENCY }, () => side.chat(BODY)));
  const { user, system } = process.cpuUsage(start);
  return (user + system) / CALLS;
}

async function main(): Promise<void> {
  const upstream = await start('upstream.ts');
  const sides = Object.entries(sidesOf(`http://127.0.0.1:${upstream.port}/v1`));
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
  await Promise.all(sides.map(([, side]) => side.close()));
  upstream.process.kill();
}

void main().then(() => process.exit(0));
