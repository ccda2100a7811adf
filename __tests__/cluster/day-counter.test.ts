import { Redis } from 'ioredis';
import { DayCounter } from '../../lib/cluster/quota-lease/day-counter';
import type { RedisLink } from '../../lib/cluster/redis/redis-link';
import { requires } from '../helpers/requires';
import { RedisServer } from './harness';

const HOUR_MS = 3_600_000;

requires('redis-server').describe('Day counter in Redis:', () => {
  let server: RedisServer;
  let client: Redis;
  /** Of its own for each case: nothing of an earlier one can be in it. */
  let totals: string;
  let cases = 0;
  beforeAll(async () => {
    server = await RedisServer.start();
    client = new Redis(server.port, '127.0.0.1', { retryStrategy: () => 20 });
    client.on('error', () => undefined);
  });
  afterAll(async () => {
    client.disconnect();
    await server.close();
  });
  beforeEach(() => {
    totals = `shop:{endpoint ${++cases}:requests per day}`;
  });

  /** One process: what it takes, and the totals that it knows. Its replies can be lost. */
  function connect(member = 'one', limit = 100) {
    let isReplyLost = false;
    const link = {
      run: async (command: (parts: { client: Redis }) => Promise<unknown>) => {
        const reply = await command({ client });
        if (isReplyLost) throw new Error('Redis is unreachable');
        return reply;
      },
    };
    const process = { totals: [] as readonly (readonly [number, number])[] };
    const counter = new DayCounter(link as unknown as RedisLink, totals, member, (known) => {
      process.totals = known;
    });
    void counter.configure({ maximum: limit });
    return Object.assign(process, {
      take: (units: number, at = hour) => counter.take(units, at),
      loseReplies: (isLost: boolean) => {
        isReplyLost = isLost;
      },
    });
  }

  const hour = Math.floor(Date.now() / HOUR_MS);
  const sumOf = (counted: readonly (readonly [number, number])[]): number =>
    counted.reduce((sum, [, units]) => sum + units, 0);

  it('counts the units that processes take and return, and reports the rest and the totals by hour', async () => {
    const [one, two] = [connect('one'), connect('two')];
    expect(await one.take(15)).toBe(85);
    expect(await two.take(70)).toBe(15);
    expect(await one.take(20)).toBe(-5);
    expect(await two.take(-30)).toBe(25);
    expect(two.totals).toEqual([[hour, 75]]);
  });

  it('undoes a command that was counted although its reply was lost, exactly once', async () => {
    const [one, two] = [connect('one'), connect('two')];
    await one.take(5);
    one.loseReplies(true);
    await expect(one.take(10)).rejects.toThrow();
    expect(await two.take(0)).toBe(85);
    await expect(one.take(20)).rejects.toThrow();
    expect(await two.take(0)).toBe(75);
    one.loseReplies(false);
    expect(await one.take(1)).toBe(94);
    expect(await one.take(0)).toBe(94);
  });

  it('forgets units after 24 hours, and never counts below zero', async () => {
    const one = connect();
    await client.hset(totals, `${hour - 25}`, 50, `${hour - 24}`, 20);
    await one.take(-50, hour - 24);
    await one.take(9, hour - 25);
    await one.take(2);
    expect(one.totals).toEqual(
      expect.arrayContaining([
        [hour - 24, 0],
        [hour, 2],
      ]),
    );
    expect(await client.hexists(totals, `${hour - 25}`)).toBe(0);
  });

  it('counts whole numbers of any size', async () => {
    const one = connect('one', Number.MAX_SAFE_INTEGER);
    await one.take(9e14);
    await one.take(1e15);
    expect(sumOf(one.totals)).toBe(1.9e15);
  });

  it('rejects if its key holds a value of another type', async () => {
    await client.set(totals, 'other');
    await expect(connect().take(1)).rejects.toThrow(/WRONGTYPE/);
  });

  it.each([
    ['has lost everything', () => client.del(totals, `${totals}:one`, `${totals}:two`)],
    ['has lost the totals', () => client.del(totals)],
    [
      'has restored an older state',
      async () => {
        await client.hset(totals, hour, 3);
        for (const member of ['one', 'two']) await client.set(`${totals}:${member}`, '1');
      },
    ],
  ])('restores the totals that the processes know when Redis %s', async (_, lose) => {
    const [one, two] = [connect('one'), connect('two')];
    for (const process of [one, two]) await process.take(1);
    await one.take(29);
    await two.take(9);
    await lose();
    expect(await two.take(5)).toBe(55);
    expect(await one.take(1)).toBe(54);
    expect(sumOf(one.totals)).toBe(46);
  });
});
