import { Redis } from 'ioredis';
import { type DayCounter, type DayRequest, redisDayCounter } from '../../lib/cluster/day-limit/day-counter';
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
  const faults: string[] = [];
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

  function connect(member = 'one'): DayCounter {
    const link = {
      run: (command: (parts: { client: Redis }) => unknown) => command({ client }),
      now: () => 0,
    };
    const parts = {
      totals,
      channel: channelOf(totals),
      member,
      onFault: () => faults.push(`${member} ${totals}`),
    };
    return redisDayCounter(link as unknown as RedisLink, parts);
  }

  /** Returns what reads the channel's messages so far: all that were published before it is called. */
  async function subscribe(channel: string): Promise<() => Promise<string[]>> {
    const subscriber = client.duplicate();
    subscriber.on('error', () => undefined);
    const messages: string[] = [];
    const hasEnded = new Promise<void>((resolve) => {
      subscriber.on('message', (_channel, text) => {
        if (text === 'end') resolve();
        else messages.push(text);
      });
    });
    await subscriber.subscribe(channel);
    return async () => {
      await client.publish(channel, 'end');
      await hasEnded;
      subscriber.disconnect();
      return messages;
    };
  }

  /** Requests of one process, numbered. */
  function numbered(): (more?: Partial<DayRequest>) => DayRequest {
    let number = 0;
    return (more = {}) => ({
      number: ++number,
      limit: 100,
      least: 0,
      need: 0,
      ahead: 0,
      members: 2,
      hours: [],
      ...more,
    });
  }
  const sumOf = (totals: readonly (readonly [number, number])[]): number =>
    totals.reduce((sum, [, units]) => sum + units, 0);

  it('grants what is needed, more if there is plenty, the rest if that is enough for one call, and otherwise nothing', async () => {
    const [one, request] = [connect(), numbered()];
    const { hour } = await one.update(request());
    const claim = (change: number, more: Partial<DayRequest>) =>
      one.update(request({ hours: [[hour, change, 0]], ...more }));
    expect(await claim(0, { need: 10, least: 10, ahead: 5 })).toMatchObject({ granted: 15 });
    expect(await claim(0, { need: 81, least: 1, ahead: 50 })).toMatchObject({ granted: 82 });
    expect(await claim(0, { need: 8, least: 4 })).toMatchObject({ granted: 0 });
    expect(await claim(0, { need: 8, least: 3 })).toMatchObject({ granted: 3 });
    const { totals: hours, granted } = await claim(0, { need: 1, least: 1 });
    expect(granted).toBe(0);
    expect(hours).toEqual([[hour, 100]]);
    expect(Math.abs(hour - Date.now() / HOUR_MS)).toBeLessThan(1.1);
  });

  it('counts a request once that is sent again because its reply was lost, and grants it the same', async () => {
    const [one, two, request] = [connect('one'), connect('two'), numbered()];
    const { hour } = await one.update(request());
    const claim = request({ need: 10, least: 10, hours: [[hour, 5, 0]] });
    const first = await one.update(claim);
    expect(await one.update(claim)).toEqual(first);
    expect(sumOf((await two.update(numbered()())).totals)).toBe(15);
    await one.update(request({ hours: [[hour, -8, 15]] }));
    expect(sumOf((await two.update(numbered()({ number: 2 }))).totals)).toBe(7);
  });

  it('forgets what is older than 24 hours, and never counts below zero', async () => {
    const [one, request] = [connect(), numbered()];
    const { hour } = await one.update(request());
    await client.hset(totals, `${hour - 25}`, 50, `${hour - 24}`, 20);
    const reply = await one.update(
      request({
        hours: [
          [hour - 24, -50, 20],
          [hour - 25, 9, 0],
          [hour, 2, 0],
        ],
      }),
    );
    expect(reply.totals).toEqual(
      expect.arrayContaining([
        [hour - 24, 0],
        [hour, 2],
      ]),
    );
    expect(await client.hexists(totals, `${hour - 25}`)).toBe(0);
  });

  it('counts whole numbers of any size', async () => {
    const [one, request] = [connect(), numbered()];
    const { hour } = await one.update(request());
    const limit = Number.MAX_SAFE_INTEGER;
    const reply = await one.update(request({ limit, need: 9e14, least: 1, hours: [[hour, 1e15, 0]] }));
    expect(reply.granted).toBe(9e14);
    expect(sumOf(reply.totals)).toBe(1.9e15);
  });

  it('publishes the total when another 1/50 of the limit is used', async () => {
    const published = await subscribe(channelOf(totals));
    const [one, request] = [connect(), numbered()];
    const { hour } = await one.update(request());
    for (const change of [19, 2, 2]) {
      await one.update(request({ limit: 1_000, hours: [[hour, change, 0]] }));
    }
    expect(await published()).toEqual([`${totals} ${hour} 21`]);
  });

  it('reports a key that holds another type, and rejects', async () => {
    await client.set(totals, 'other');
    await expect(connect().update(numbered()())).rejects.toThrow(/WRONGTYPE/);
    expect(faults).toEqual([`one ${totals}`]);
  });

  it.each([
    ['has lost everything', () => client.del(totals, `${totals}:one`, `${totals}:two`)],
    ['has lost the totals', () => client.del(totals)],
    [
      'has restored an older state',
      async (hour: number) => {
        await client.hset(totals, hour, 3);
        for (const member of ['one', 'two']) await client.set(`${totals}:${member}`, `1 ${hour} 0`);
      },
    ],
  ])('brings back the totals that processes knew when Redis %s', async (_, lose) => {
    const [one, two] = [connect('one'), connect('two')];
    const [byOne, byTwo] = [numbered(), numbered()];
    const { hour } = await one.update(byOne());
    await two.update(byTwo());
    await one.update(byOne({ need: 30, least: 1 }));
    await two.update(byTwo({ need: 10, least: 1 }));
    await lose(hour);
    const reply = await two.update(byTwo({ need: 5, least: 1, hours: [[hour, 0, 40]] }));
    expect(reply.granted).toBe(5);
    expect(sumOf(reply.totals)).toBe(45);
    const later = await one.update(byOne({ hours: [[hour, 1, 30]] }));
    expect(sumOf(later.totals)).toBe(46);
  });
});

function channelOf(totals: string): string {
  return `days of ${totals}`;
}
