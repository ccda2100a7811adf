import { type FleetProcess, seededRandom, startFleetProcess } from 'express-ai-balancer/simulator';
import { ask, Tally } from '../flash-sale/customers';
import { publishedLengths } from '../flash-sale/lengths';
import { questionsOf, type Sale } from '../flash-sale/sale';
import type { DemoRedis } from './redis';
import type { Snapshot } from './report';
import { allowedIn, describeProviders, endpointOf } from './shop';
import { Workers } from './workers';

const WORKERS = 4;
/** Snapshots while the day lasts. */
const SNAPSHOTS = 9;
/** How long the demo waits for the last answers. */
const LAST_ANSWERS_MS = 30_000;

export interface DayOptions {
  readonly day: Sale;
  readonly seed: number;
  /** Undefined if the workers share nothing. */
  readonly redisUrl: string | undefined;
  /** Is killed and restarted in the middle of the day. Undefined for a Redis that the demo didn't start. */
  readonly ownRedis: DemoRedis | undefined;
  /** Called every few seconds, and at the end. */
  readonly onSnapshot: (moment: Snapshot) => void;
}

export interface DayRun {
  readonly url: string;
  /** Customers who came while Redis was up. */
  readonly usual: Tally;
  /** Customers who came while Redis was down. */
  readonly whileDown: Tally;
  close(): Promise<void>;
}

/** Runs the day: the providers in one process, the shop in four others, and the customers in this one. */
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
    return { url: workers.url, close, ...(await simulateDay(options, fleet, workers)) };
  } catch (error) {
    await close();
    throw error;
  }
}

async function simulateDay(
  { day, seed, ownRedis, onSnapshot }: DayOptions,
  fleet: FleetProcess,
  workers: Workers,
) {
  const usual = new Tally();
  const whileDown = new Tally();
  const running: Promise<void>[] = [];
  const timers: NodeJS.Timeout[] = [];
  const startedAt = performance.now();
  const secondNow = () => (performance.now() - startedAt) / 1_000;
  const at = (second: number, action: () => unknown) => {
    timers.push(setTimeout(() => void action(), second * 1_000 - (performance.now() - startedAt)));
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
    onSnapshot({ second, isRedisDown, reports: workers.reports, admitted, allowed: allowedIn(second) });
  };
  const ticker = setInterval(() => void reportSnapshot(), (day.endsAt * 1_000) / SNAPSHOTS);

  const random = seededRandom(seed);
  for (const question of questionsOf(day, publishedLengths(random), random)) {
    at(question.atMs / 1_000, () => {
      running.push(ask(workers.url, question, 1, isRedisDown ? whileDown : usual));
    });
  }
  await new Promise<void>((resolve) => at(day.endsAt, resolve));
  await Promise.race([Promise.all(running), pause(LAST_ANSWERS_MS)]);
  clearInterval(ticker);
  // Waits for the last reports of the workers.
  await pause(600);
  await reportSnapshot();
  for (const timer of timers) clearTimeout(timer);
  return { usual, whileDown };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
