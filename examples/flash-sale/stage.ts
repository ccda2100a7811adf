import { dirname, join } from 'node:path';
import { type FleetProcess, seededRandom, startFleetProcess } from 'express-ai-balancer/simulator';
import { ask, Tally } from './customers';
import { Day } from './day';
import { type FaultKind, Faults } from './faults';
import { type DemoProvider, describeFleet, endpointOf, FLEET, ONE_KEY } from './fleet';
import { openBalancedShop, openOneKeyShop, openRoundRobinShop, type Shop } from './helpdesk';
import { type Lengths, publishedLengths } from './lengths';
import { type Question, questionsOf, rateAt, type Sale } from './sale';
import { salePanel } from './sale-panel';

export interface StageOptions {
  sale: Sale;
  /** Default: published percentiles. */
  lengths?: (random: () => number) => Lengths;
  /** Providers of the shops with several keys. Default: the whole fleet. */
  providers?: readonly DemoProvider[];
  /** Provider of the shop with one key. Default: ONE_KEY. */
  oneKey?: DemoProvider;
  /** Default 1: real time. */
  speed?: number;
  seed?: number;
  /** Port of the page, if it is free. Default: any. */
  port?: number;
  /** Folder of the page's script and style. Default: `public` beside the program. */
  folder?: string;
}

export type ShopName = 'balanced' | 'roundRobin' | 'oneKey';

/** The figures of one shop. */
export interface Outcome {
  tally: Tally;
  /** 429s from its providers. */
  rateLimited: number;
  usd: number;
}

export type Outcomes = Record<ShopName, Outcome>;

interface Competitor {
  shop: Shop;
  fleet: FleetProcess;
  tally: Tally;
  /** What its providers had counted before the sale. */
  before: { rateLimited: number; usd: number };
}

// Every customer leaves at their own deadline; this only limits how long the demo waits for the last of them.
const LONGEST_WAIT_AFTER_SECONDS = 45;

/** Three shops with their simulated providers, each fleet in a child process, and the sale that they all have. */
export class Stage {
  readonly faults: Faults;
  /** Where the page is. */
  readonly url: string;
  readonly #options: StageOptions;
  readonly #competitors: Record<ShopName, Competitor>;
  readonly #opened: readonly { close(): Promise<void> }[];
  #day: Day | undefined;
  #runs = 0;

  static async open(options: StageOptions): Promise<Stage> {
    const { providers = FLEET, oneKey = ONE_KEY, speed = 1, seed = 1, port } = options;
    const folder = options.folder ?? join(dirname(process.argv[1] ?? ''), 'public');
    const opened: { close(): Promise<void> }[] = [];
    const track = <T extends { close(): Promise<void> }>(resource: T): T => {
      opened.unshift(resource);
      return resource;
    };
    const startFleet = async (fleet: readonly DemoProvider[]) =>
      track(await startFleetProcess(describeFleet(fleet, speed, seed)));
    try {
      const own = await startFleet(providers);
      const turns = await startFleet(providers);
      const single = await startFleet([oneKey]);
      const panel = salePanel(folder);
      const endpoints = providers.map((each) => endpointOf(each, own.provider(each.name).url, speed));
      const keys = providers.map(({ name, model }) => ({ baseURL: turns.provider(name).url, model }));
      const shops = {
        balanced: track(await openBalancedShop(endpoints, { panel: panel.router, port })),
        roundRobin: track(await openRoundRobinShop(keys)),
        oneKey: track(
          await openOneKeyShop({ baseURL: single.provider(oneKey.name).url, model: oneKey.model }),
        ),
      };
      const stage = new Stage(options, shops, { balanced: own, roundRobin: turns, oneKey: single }, opened);
      panel.show(stage);
      return stage;
    } catch (error) {
      for (const thing of opened) await thing.close();
      throw error;
    }
  }

  private constructor(
    options: StageOptions,
    shops: Record<ShopName, Shop>,
    fleets: Record<ShopName, FleetProcess>,
    opened: readonly { close(): Promise<void> }[],
  ) {
    const competitor = (name: ShopName): Competitor => ({
      shop: shops[name],
      fleet: fleets[name],
      tally: new Tally(),
      before: { rateLimited: 0, usd: 0 },
    });
    this.#options = options;
    this.#opened = opened;
    this.#competitors = {
      balanced: competitor('balanced'),
      roundRobin: competitor('roundRobin'),
      oneKey: competitor('oneKey'),
    };
    this.faults = new Faults([fleets.balanced, fleets.roundRobin]);
    this.url = shops.balanced.url;
  }

  get providers(): string[] {
    return [...this.#competitors.balanced.fleet.providers.keys()];
  }

  /** Whether a sale is on, and where in it we are. */
  get progress(): { isRunning: boolean; second: number; endsAt: number; callsPerSecond: number } {
    const { sale } = this.#options;
    const second = this.#day?.second ?? 0;
    const isOpen = this.#day !== undefined && second < sale.endsAt;
    return {
      isRunning: this.#day !== undefined,
      second,
      endsAt: sale.endsAt,
      callsPerSecond: isOpen ? rateAt(sale, second) : 0,
    };
  }

  /** The figures of the sale so far. */
  async outcomes(): Promise<Outcomes> {
    const [balanced, roundRobin, oneKey] = await Promise.all([
      outcomeOf(this.#competitors.balanced),
      outcomeOf(this.#competitors.roundRobin),
      outcomeOf(this.#competitors.oneKey),
    ]);
    return { balanced, roundRobin, oneKey };
  }

  tally(shop: ShopName): Tally {
    return this.#competitors[shop].tally;
  }

  /** Runs the sale in all shops at once, with the same customers. Resolves after the last answer. */
  async play(): Promise<void> {
    if (this.#day) throw new Error('a sale is running already');
    const { sale, speed = 1, seed = 1 } = this.#options;
    const day = new Day(speed);
    this.#day = day;
    try {
      await this.#reset();
      const random = seededRandom(seed + 1000 * this.#runs++);
      const lengths = (this.#options.lengths ?? publishedLengths)(random);
      this.#scheduleFaults(day);
      const running = this.#sendCustomers(day, questionsOf(sale, lengths, random));
      await day.until(sale.endsAt);
      await Promise.race([Promise.all(running), day.until(sale.endsAt + LONGEST_WAIT_AFTER_SECONDS)]);
    } finally {
      day.stop();
      this.#day = undefined;
    }
  }

  async close(): Promise<void> {
    this.#day?.stop();
    for (const thing of this.#opened) await thing.close();
  }

  async #reset(): Promise<void> {
    for (const competitor of Object.values(this.#competitors)) {
      competitor.tally = new Tally();
      competitor.before = await totalsOf(competitor.fleet);
    }
  }

  #scheduleFaults(day: Day): void {
    const { slow, down } = this.#options.sale;
    const schedule = (provider: string, kind: FaultKind, from: number, to: number) => {
      if (!this.providers.includes(provider)) return;
      day.at(from, () => this.faults.break(provider, kind));
      day.at(to, () => this.faults.heal(provider, kind));
    };
    schedule(slow.provider, 'slow', slow.from, slow.to);
    schedule(down.provider, 'down', down.from, down.to);
  }

  #sendCustomers(day: Day, questions: readonly Question[]): Promise<void>[] {
    const { speed = 1 } = this.#options;
    const running: Promise<void>[] = [];
    for (const question of questions) {
      day.at(question.atMs / 1000, () => {
        for (const { shop, tally } of Object.values(this.#competitors)) {
          running.push(ask(shop.url, question, speed, tally));
        }
      });
    }
    return running;
  }
}

async function outcomeOf({ tally, fleet, before }: Competitor): Promise<Outcome> {
  const { rateLimited, usd } = await totalsOf(fleet);
  return { tally, rateLimited: rateLimited - before.rateLimited, usd: usd - before.usd };
}

async function totalsOf(fleet: FleetProcess): Promise<{ rateLimited: number; usd: number }> {
  const stats = await Promise.all([...fleet.providers.values()].map((provider) => provider.stats()));
  return {
    rateLimited: stats.reduce((sum, { rateLimited }) => sum + rateLimited, 0),
    usd: stats.reduce((sum, { usd }) => sum + usd, 0),
  };
}
