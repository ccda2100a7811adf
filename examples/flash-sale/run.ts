import { type FleetProcess, seededRandom, startFleetProcess } from 'express-ai-balancer/simulator';
import { ask, Tally } from './customers';
import { type DemoProvider, describeFleet, endpointOf, FLEET, ONE_KEY } from './fleet';
import { openBalancedShop, openOneKeyShop, type Shop } from './helpdesk';
import { type Lengths, publishedLengths } from './lengths';
import { type Question, questionsOf, type Sale } from './sale';

export interface RunOptions {
  sale: Sale;
  /** Default: published percentiles. */
  lengths?: (random: () => number) => Lengths;
  /** Providers of the balanced shop. Default: the whole fleet. */
  providers?: readonly DemoProvider[];
  /** Provider of the shop without a balancer. Default: ONE_KEY. */
  oneKey?: DemoProvider;
  /** Default 1: real time. */
  speed?: number;
  seed?: number;
  /** Called every few seconds. */
  onProgress?: (progress: Progress) => void;
  progressEverySeconds?: number;
}

export interface Progress {
  second: number;
  balanced: Tally;
  oneKey: Tally;
  /** Active faults at the providers of the balanced shop. */
  faults: string[];
}

/** The results of one shop. */
export interface Outcome {
  tally: Tally;
  rateLimited: number;
  usd: number;
}

export interface SaleRun {
  balanced: Outcome;
  oneKey: Outcome;
  /** The balanced shop, which stays open until `close()`. */
  shop: Awaited<ReturnType<typeof openBalancedShop>>;
  close(): Promise<void>;
}

// Every customer leaves at their own deadline; this only limits how long the demo waits for the last of them.
const LONGEST_WAIT_AFTER_SECONDS = 45;

/** Runs the sale in both shops at once, each with simulated providers in a child process. */
export async function runSale(options: RunOptions): Promise<SaleRun> {
  const { sale, providers = FLEET, oneKey = ONE_KEY, speed = 1, seed = 1 } = options;
  const random = seededRandom(seed);
  const questions = questionsOf(sale, (options.lengths ?? publishedLengths)(random), random);

  const opened: { close(): Promise<void> }[] = [];
  const track = <T extends { close(): Promise<void> }>(resource: T): T => {
    opened.unshift(resource);
    return resource;
  };
  const close = async () => {
    for (const thing of opened) await thing.close();
  };
  try {
    const fleet = track(await startFleetProcess(describeFleet(providers, speed, seed)));
    const single = track(await startFleetProcess(describeFleet([oneKey], speed, seed)));
    const endpoints = providers.map((provider) =>
      endpointOf(provider, fleet.provider(provider.name).url, speed),
    );
    const shop = track(await openBalancedShop(endpoints));
    const oneKeyShop = track(await openOneKeyShop(single.provider(oneKey.name).url, oneKey.model));
    const tallies = await playSale(options, questions, fleet, shop, oneKeyShop);
    return {
      balanced: await outcomeOf(tallies.balanced, fleet),
      oneKey: await outcomeOf(tallies.oneKey, single),
      shop,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function playSale(
  { sale, speed = 1, onProgress, progressEverySeconds = 3 }: RunOptions,
  questions: readonly Question[],
  fleet: FleetProcess,
  shop: Shop,
  oneKeyShop: Shop,
): Promise<{ balanced: Tally; oneKey: Tally }> {
  const balanced = new Tally();
  const oneKey = new Tally();
  const running: Promise<void>[] = [];
  const day = new Day(speed);
  const activeFaults = new Set<string>();
  const scheduleFault = (
    from: number,
    to: number,
    what: string,
    startFault: () => Promise<{ end(): Promise<void> }>,
  ) => {
    day.at(from, async () => {
      const fault = await startFault();
      activeFaults.add(what);
      day.at(to, async () => {
        activeFaults.delete(what);
        await fault.end();
      });
    });
  };
  const { slow, down } = sale;
  if (fleet.providers.has(slow.provider)) {
    scheduleFault(slow.from, slow.to, `${slow.provider} slow`, () =>
      fleet.provider(slow.provider).fault({ kind: 'brownout', factor: slow.factor }),
    );
  }
  if (fleet.providers.has(down.provider)) {
    scheduleFault(down.from, down.to, `${down.provider} down`, () =>
      fleet.provider(down.provider).fault({ kind: 'refuse' }),
    );
  }
  const reportProgress = () =>
    onProgress?.({ second: day.second, balanced, oneKey, faults: [...activeFaults] });
  const ticker = setInterval(reportProgress, (progressEverySeconds * 1000) / speed);

  for (const question of questions) {
    day.at(question.atMs / 1000, () => {
      running.push(ask(shop.url, question, speed, balanced), ask(oneKeyShop.url, question, speed, oneKey));
    });
  }
  await day.until(sale.endsAt);
  await Promise.race([Promise.all(running), day.until(sale.endsAt + LONGEST_WAIT_AFTER_SECONDS)]);
  clearInterval(ticker);
  reportProgress();
  day.stop();
  return { balanced, oneKey };
}

async function outcomeOf(tally: Tally, fleet: FleetProcess): Promise<Outcome> {
  const stats = await Promise.all([...fleet.providers.values()].map((provider) => provider.stats()));
  return {
    tally,
    rateLimited: stats.reduce((sum, { rateLimited }) => sum + rateLimited, 0),
    usd: stats.reduce((sum, { usd }) => sum + usd, 0),
  };
}

/** The clock of the sale. */
class Day {
  readonly #startedAt = performance.now();
  readonly #speed: number;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(speed: number) {
    this.#speed = speed;
  }

  get second(): number {
    return ((performance.now() - this.#startedAt) / 1000) * this.#speed;
  }

  at(second: number, what: () => unknown): void {
    const wait = ((second - this.second) * 1000) / this.#speed;
    this.#timers.push(setTimeout(() => void what(), Math.max(0, wait)));
  }

  until(second: number): Promise<void> {
    return new Promise((resolve) => this.at(second, resolve));
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
