import { type FleetProcess, seededRandom, startFleetProcess } from 'express-ai-balancer/simulator';
import { ask, Tally } from '../flash-sale/customers';
import { publishedLengths } from '../flash-sale/lengths';
import { questionsOf, type Sale } from '../flash-sale/sale';
import type { DemoRedis } from './redis';
import type { Snapshot } from './report';
import { allowedIn, describeProviders, endpointOf } from './shop';
import { Workers } from './workers';

const WORKERS = 4;
/** How often the day is looked at while it lasts. */
const SNAPSHOTS = 9;
/** How long the demo waits for the last answers. */
const LAST_ANSWERS_MS = 30_000;

export interface DayOptions {
  readonly day: Sale;
  readonly seed: number;
  /** Undefined: the workers share nothing. */
  readonly redisUrl: string | undefined;
  /** Dies and comes back in the middle of the day; undefined: the Redis is somebody's. */
  readonly ownRedis: DemoRedis | undefined;
  /** Called every few seconds, and at the end. */
  readonly onSnapshot: (moment: Snapshot) => void;
}

export interface DayRun {
  readonly url: string;
  /** Customers who came while all was well. */
  readonly usual: Tally;
  /** Customers who came while Redis was dead. */
  readonly whileDead: Tally;
  close(): Promise<void>;
}

/** Lives through the day: providers in one process, the shop in four others, the customers in this one. */
export async function runDay(options: DayOptions): Promise<DayRun> {
  const { redisUrl, seed } = options;
  const fleet = await startFleetProcess(describeProviders(seed));
  const endpoints = [...fleet.providers.values()].map(({ name, url }) => endpointOf(name, url));
  const workers = await Workers.start(WORKERS, { endpoints, redis: redisUrl });
  const close = async () => {
    await workers.close();
    await fleet.close();
  };
  try {
    return { url: workers.url, close, ...(await playDay(options, fleet, workers)) };
  } catch (error) {
    await close();
    throw error;
  }
}

async function playDay(
  { day, seed, ownRedis, onSnapshot: onMoment }: DayOptions,
  fleet: FleetProcess,
  workers: Workers,
) {
  const usual = new Tally();
  const whileDead = new Tally();
  const running: Promise<void>[] = [];
  const timers: NodeJS.Timeout[] = [];
  const startedAt = performance.now();
  const secondNow = () => (performance.now() - startedAt) / 1_000;
  const at = (second: number, what: () => unknown) => {
    timers.push(setTimeout(() => void what(), second * 1_000 - (performance.now() - startedAt)));
  };
  let isRedisDown = false;
  if (ownRedis) {
    at(day.down.from, async () => {
      isRedisDown = true;
      await ownRedis.kill();
    });
    at(day.down.to, async () => {
      await ownRedis.restart();
      isRedisDown = false;
    });
  }
  const reportSnapshot = async () => {
    const stats = await Promise.all([...fleet.providers.values()].map((provider) => provider.stats()));
    const admitted = stats.reduce((sum, { seen, rateLimited }) => sum + seen - rateLimited, 0);
    const second = secondNow();
    onMoment({ second, isRedisDown, reports: workers.reports, admitted, allowed: allowedIn(second) });
  };
  const ticker = setInterval(() => void reportSnapshot(), (day.endsAt * 1_000) / SNAPSHOTS);

  const random = seededRandom(seed);
  for (const question of questionsOf(day, publishedLengths(random), random)) {
    at(question.atMs / 1_000, () => {
      running.push(ask(workers.url, question, 1, isRedisDown ? whileDead : usual));
    });
  }
  await new Promise<void>((resolve) => at(day.endsAt, resolve));
  await Promise.race([Promise.all(running), pause(LAST_ANSWERS_MS)]);
  clearInterval(ticker);
  // The workers' last reports are under way.
  await pause(600);
  await reportSnapshot();
  for (const timer of timers) clearTimeout(timer);
  return { usual, whileDead };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
