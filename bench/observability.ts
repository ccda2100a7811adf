/**
 * The CPU time of a call by what observes it, over sockets to a provider in another process that answers at once. What
 * nobody looks at should cost at most 3 % more than a balancer without listeners and logger.
 * Measures the built package, because the loader that compiles TypeScript adds to the cost of every closure.
 * `npm run build && npm run bench -- observability [--quick]`
 */
import type { EventEmitter } from 'node:events';
import { join } from 'node:path';
import type * as lib from '../lib/index';
import type { Balancer, BalancerConfig } from '../lib/index';
import { start } from './express/start';
import { BODY } from './instant-adapter';
import { median } from './statistics';

type Package = Pick<typeof lib, 'aiDashboard' | 'aiMetrics' | 'createBalancer' | 'instrument'>;

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 60 : 300;
// Short rounds, so that the load of the machine is about the same in those that are compared.
const CALLS = 200;
const CONCURRENCY = 20;
const ENDPOINTS = 12;

function config(baseURL: string, logger: { logger?: false }): BalancerConfig {
  return {
    endpoints: Array.from({ length: ENDPOINTS }, (_, index) => ({
      name: `key-${index}`,
      model: 'gpt-4o',
      apiKey: 'sk-test',
      baseURL,
      rpm: 10_000_000,
      tpm: 1_000_000_000,
    })),
    hedge: false,
    ...logger,
  };
}

/** Begins to observe, and returns how to end it. */
type Observe = () => Promise<() => unknown>;

/** Ends by taking off the listeners, which are attached again each time. */
function listening(balancer: Balancer, attach: () => unknown): Observe {
  const events = balancer as unknown as EventEmitter;
  const listeners = () =>
    events.eventNames().flatMap((name) => events.rawListeners(name).map((each) => [name, each] as const));
  const known = new Set(listeners().map(([, each]) => each));
  attach();
  const added = listeners().filter(([, each]) => !known.has(each));
  const end = () => {
    for (const [name, each] of added) events.off(name, each as () => void);
  };
  end();
  return () => {
    for (const [name, each] of added) events.on(name, each as () => void);
    return Promise.resolve(end);
  };
}

/** All on one balancer, so that the same compiled code serves every side. */
function sidesOf(built: Package, balancer: Balancer, url: string): Record<string, Observe> {
  const { aiDashboard, aiMetrics, instrument } = built;
  const none: Observe = () => Promise.resolve(() => undefined);
  return {
    'no listeners, `logger: false`': none,
    'the same again': none,
    'the default logger': async () => {
      await balancer.reload(config(url, {}));
      return () => balancer.reload(config(url, { logger: false }));
    },
    'aiDashboard mounted, nobody watching': listening(balancer, () =>
      aiDashboard(balancer, { authorize: false }),
    ),
    'instrument() without an SDK': () => Promise.resolve(instrument(balancer)),
    'aiMetrics attached': listening(balancer, () => aiMetrics(balancer)),
  };
}

/** Microseconds of CPU time per call, with the garbage collection. */
async function measure(balancer: Balancer, observe: Observe): Promise<number> {
  const end = await observe();
  await run(balancer, CONCURRENCY);
  const start = process.cpuUsage();
  await run(balancer, CALLS);
  const { user, system } = process.cpuUsage(start);
  await end();
  return (user + system) / CALLS;
}

async function run(balancer: Balancer, calls: number): Promise<void> {
  for (let done = 0; done < calls; done += CONCURRENCY)
    await Promise.all(Array.from({ length: CONCURRENCY }, () => balancer.chat(BODY)));
}

function shuffled<T>(values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ value }) => value);
}

async function main(): Promise<void> {
  const upstream = await start('upstream.ts');
  const url = `http://127.0.0.1:${upstream.port}/v1`;
  const built = (await import(join(__dirname, '../dist/index.mjs'))) as Package;
  const balancer = built.createBalancer(config(url, { logger: false }));
  const sides = Object.entries(sidesOf(built, balancer, url));
  const times = new Map(sides.map(([name]) => [name, [] as number[]]));
  for (let round = 0; round < 10; round++) for (const [, observe] of sides) await measure(balancer, observe);
  for (let round = 0; round < ROUNDS; round++) {
    // In another order each round: a side costs more after one that reloads the balancer.
    for (const [name, observe] of shuffled(sides)) times.get(name)!.push(await measure(balancer, observe));
  }
  // Two equal sides, whose distance from their mean is the error of the measurement.
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
  await balancer.close();
  upstream.process.kill();
}

void main().then(() => process.exit(0));
