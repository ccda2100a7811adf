import { Redis } from 'ioredis';
import { type DayLedger, type DayQuestion, redisDayLedger } from '../../lib/cluster/day-limit/day-script';
import type { RedisLink } from '../../lib/cluster/redis/redis-link';
import { requires } from '../helpers/requires';
import { RedisServer } from './harness';

const COUNT = 'shop:{endpoint a:requests a day}';
const HOUR_MS = 3_600_000;

requires('redis-server').describe("a day's count in Redis", () => {
  let server: RedisServer;
  let client: Redis;
  const told: string[] = [];
  beforeAll(async () => {
    server = await RedisServer.start();
    client = new Redis(server.port, '127.0.0.1', { retryStrategy: () => 20 });
    client.on('error', () => undefined);
    const subscriber = client.duplicate();
    subscriber.on('message', (_channel, text) => told.push(text));
    subscriber.on('error', () => undefined);
    await subscriber.subscribe('news');
    closers.push(() => subscriber.disconnect());
  });
  const closers: (() => void)[] = [];
  afterAll(async () => {
    client.disconnect();
    for (const close of closers) close();
    await server.close();
  });
  beforeEach(async () => {
    await client.flushall();
    told.length = 0;
  });

  function ledger(member = 'one'): DayLedger {
    const link = {
      ask: (question: (parts: { client: Redis }) => unknown) => question({ client }),
      now: () => 0,
    };
    return redisDayLedger(link as unknown as RedisLink, { count: COUNT, channel: 'news', member });
  }

  const question = (nth: number, more: Partial<DayQuestion> = {}): DayQuestion => ({
    nth,
    known: undefined,
    limit: 100,
    least: 0,
    need: 0,
    extra: 0,
    members: 2,
    changes: [],
    ...more,
  });
  const sumOf = (counts: readonly (readonly [number, number])[]): number =>
    counts.reduce((sum, [, units]) => sum + units, 0);

  it('grants what is needed, more where there is plenty, the rest where that is enough for one, and else nothing', async () => {
    const day = ledger();
    expect(await day.ask(question(1, { need: 10, least: 10, extra: 5 }))).toMatchObject({ granted: 15 });
    expect(await day.ask(question(2, { need: 81, least: 1, extra: 50 }))).toMatchObject({ granted: 82 });
    expect(await day.ask(question(3, { need: 8, least: 4 }))).toMatchObject({ granted: 0 });
    expect(await day.ask(question(4, { need: 8, least: 3 }))).toMatchObject({ granted: 3 });
    const { counts, hour } = await day.ask(question(5, { need: 1, least: 1 }));
    expect(counts).toEqual([[hour, 100]]);
    expect(Math.abs(hour - Date.now() / HOUR_MS)).toBeLessThan(1.1);
  });

  it('does a question once, and answers it again under its number', async () => {
    const day = ledger();
    const asked = question(7, { need: 10, least: 10, changes: [[0, 5]] });
    const first = await day.ask(asked);
    expect(await day.ask(asked)).toEqual(first);
    expect(sumOf((await ledger('two').ask(question(7))).counts)).toBe(15);
  });

  it('forgets what is older than 24 hours, and takes back no more than is there', async () => {
    const day = ledger();
    const { hour } = await day.ask(question(1));
    await client.hset(COUNT, `${hour - 25}`, 50, `${hour - 24}`, 20);
    const changes = [
      [hour - 24, -30],
      [hour - 25, 9],
      [hour + 3, 1],
      [0, 1],
    ] as const;
    expect((await day.ask(question(2, { changes }))).counts).toEqual(
      expect.arrayContaining([
        [hour - 24, 0],
        [hour, 2],
      ]),
    );
    expect(await client.hexists(COUNT, `${hour - 25}`)).toBe(0);
  });

  it('counts whole numbers of any size', async () => {
    const limit = Number.MAX_SAFE_INTEGER;
    const { counts } = await ledger().ask(question(1, { limit, need: 9e14, least: 1, changes: [[0, 1e15]] }));
    expect(sumOf(counts)).toBe(1.9e15);
  });

  it('tells all when a fiftieth of the limit is gone', async () => {
    const day = ledger();
    const { hour } = await day.ask(question(1, { limit: 1_000, need: 19, least: 1 }));
    await day.ask(question(2, { limit: 1_000, need: 2, least: 1 }));
    await day.ask(question(3, { limit: 1_000, need: 2, least: 1 }));
    await client.ping();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(told).toEqual([`${COUNT} ${hour} 21`]);
  });

  it.each([
    ['a Redis that has lost all', () => client.flushall()],
    [
      'a Redis that comes back with an older state',
      async () => {
        await client.hset(COUNT, 'version', 1);
        await client.hdel(COUNT, ...(await client.hkeys(COUNT)).filter((key) => Number(key) > 0));
      },
    ],
  ])('%s does nothing until it has been told what was counted, by as many as want to', async (_, lose) => {
    const [one, two] = [ledger('one'), ledger('two')];
    const before = await one.ask(question(1, { need: 30, least: 1 }));
    const later = await two.ask(question(1, { need: 10, least: 1 }));
    await lose();
    const asked = question(2, { known: later.version, need: 5, least: 1 });
    expect(await two.ask(asked)).toMatchObject({ isLost: true, granted: 0 });
    await one.restore(before.version, before.counts);
    const { version, counts } = await two.restore(later.version, later.counts);
    expect(sumOf(counts)).toBe(40);
    const answer = await two.ask({ ...asked, known: version });
    expect(answer).toMatchObject({ isLost: false, granted: 5 });
    expect(sumOf(answer.counts)).toBe(45);
  });
});
