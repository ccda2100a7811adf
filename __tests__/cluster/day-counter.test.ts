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

  const request = (more: Partial<DayRequest> = {}): DayRequest => ({
    known: undefined,
    limit: 100,
    least: 0,
    need: 0,
    ahead: 0,
    members: 2,
    hours: [],
    ...more,
  });
  const used = (hour: number, units: number, confirmed = 0, total = 0) => ({
    hour,
    used: units,
    confirmed,
    total,
  });
  const sumOf = (totals: readonly (readonly [number, number])[]): number =>
    totals.reduce((sum, [, units]) => sum + units, 0);

  it('grants what is needed, more if there is plenty, the rest if that is enough for one call, and otherwise nothing', async () => {
    const one = connect();
    const { hour } = await one.update(request());
    const claim = (units: number, more: Partial<DayRequest>) =>
      one.update(request({ hours: [used(hour, units)], ...more }));
    expect(await claim(0, { need: 10, least: 10, ahead: 5 })).toMatchObject({ granted: 15 });
    expect(await claim(15, { need: 81, least: 1, ahead: 50 })).toMatchObject({ granted: 82 });
    expect(await claim(97, { need: 8, least: 4 })).toMatchObject({ granted: 0 });
    expect(await claim(97, { need: 8, least: 3 })).toMatchObject({ granted: 3 });
    const { totals: hours, granted } = await claim(100, { need: 1, least: 1 });
    expect(granted).toBe(0);
    expect(hours).toEqual([[hour, 100]]);
    expect(Math.abs(hour - Date.now() / HOUR_MS)).toBeLessThan(1.1);
  });

  it('counts a process once whose reply was lost: the next report replaces the one before and what was granted', async () => {
    const [one, two] = [connect('one'), connect('two')];
    const { hour } = await one.update(request());
    const claim = request({ need: 10, least: 10, hours: [used(hour, 5)] });
    await one.update(claim);
    await one.update(claim);
    expect(sumOf((await two.update(request())).totals)).toBe(15);
    await one.update(request({ hours: [used(hour, 7)] }));
    expect(sumOf((await two.update(request())).totals)).toBe(7);
  });

  it('forgets what is older than 24 hours, and never counts below zero', async () => {
    const one = connect();
    const { hour } = await one.update(request());
    await client.hset(totals, `${hour - 25}`, 50, `${hour - 24}`, 20);
    await client.hset(`${totals}:one`, `${hour - 25}`, 50, `${hour - 24}`, 50);
    const hours = [used(hour - 24, 0), used(hour - 25, 9), used(hour, 2)];
    expect((await one.update(request({ hours }))).totals).toEqual(
      expect.arrayContaining([
        [hour - 24, 0],
        [hour, 2],
      ]),
    );
    expect(await client.hexists(totals, `${hour - 25}`)).toBe(0);
  });

  it('counts whole numbers of any size', async () => {
    const one = connect();
    const { hour } = await one.update(request());
    const limit = Number.MAX_SAFE_INTEGER;
    const reply = await one.update(request({ limit, need: 9e14, least: 1, hours: [used(hour, 1e15)] }));
    expect(sumOf(reply.totals)).toBe(1.9e15);
  });

  it('publishes the total when another 1/50 of the limit is used', async () => {
    const published = await subscribe(channelOf(totals));
    const one = connect();
    const { hour } = await one.update(request());
    for (const units of [19, 21, 23]) {
      await one.update(request({ limit: 1_000, hours: [used(hour, units)] }));
    }
    expect(await published()).toEqual([`${totals} ${hour} 21`]);
  });

  it('reports a key that holds another type, and rejects', async () => {
    await client.set(totals, 'other');
    await expect(connect().update(request())).rejects.toThrow(/WRONGTYPE/);
    expect(faults).toEqual([`one ${totals}`]);
  });

  it.each([
    ['has lost everything', () => client.flushall()],
    [
      'has restored an older state',
      async () => {
        await client.hset(totals, 'version', 1);
        await client.hdel(totals, ...(await client.hkeys(totals)).filter((key) => Number(key) > 0));
      },
    ],
  ])('brings back the totals that processes knew when Redis %s', async (_, lose) => {
    const [one, two] = [connect('one'), connect('two')];
    const { hour } = await one.update(request());
    const first = await one.update(request({ need: 30, least: 1 }));
    const second = await two.update(request({ need: 10, least: 1 }));
    await lose();
    const reply = await two.update(
      request({ known: second.version, need: 5, least: 1, hours: [used(hour, 10, 10, 40)] }),
    );
    expect(reply.granted).toBe(5);
    expect(sumOf(reply.totals)).toBe(45);
    const later = await one.update(request({ known: first.version, hours: [used(hour, 31, 30, 30)] }));
    expect(sumOf(later.totals)).toBe(46);
  });
});

function channelOf(totals: string): string {
  return `days of ${totals}`;
}
