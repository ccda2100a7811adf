import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Redis } from 'ioredis';
import { requires } from '../helpers/requires';
import {
  ClusterRig,
  type Member,
  type ObservedLimit,
  type RedisServer,
  taken,
  unitsLate,
  worstExcess,
} from './harness';

const redisTests = requires('redis-server');
const rig = new ClusterRig();
afterEach(() => rig.close());

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) || process.platform !== 'linux';
}

redisTests.describe('Test harness: RedisServer', () => {
  const value = (redis: RedisServer) => redis.withClient((client) => client.get('a'));

  it('restarts on the same port, with or without its keys', async () => {
    const redis = await rig.redis();
    await redis.withClient((client) => client.set('a', '1', 'EX', 60));
    await redis.restart({ keep: true });
    expect(await value(redis)).toBe('1');
    const [key] = await redis.keys();
    expect(key).toMatchObject({ key: 'a', type: 'string' });
    expect(key?.ttlMs).toBeGreaterThan(50_000);
    await redis.kill9();
    await expect(value(redis)).rejects.toThrow();
    await redis.restart();
    expect(await value(redis)).toBeNull();
  });

  it('can be stopped and continued, and counts commands', async () => {
    const redis = await rig.redis();
    await redis.resetCounts();
    redis.stop();
    await expect(value(redis)).rejects.toThrow();
    redis.cont();
    expect(await value(redis)).toBeNull();
    expect((await redis.commandCounts()).get).toBeGreaterThanOrEqual(1);
  });

  it('can run as a Redis Cluster', async () => {
    const redis = await rig.redis({ clusterMode: true });
    const both = (one: string, two: string) => redis.withClient((client) => client.mset(one, '1', two, '2'));
    expect(await both('{a}:1', '{a}:2')).toBe('OK');
    await expect(both('a', 'b')).rejects.toThrow(/CROSSSLOT/);
  });

  it('can be reached through a proxy that counts round trips and blocks or closes connections', async () => {
    const redis = await rig.redis();
    const proxy = await rig.proxy(redis);
    const client = new Redis(proxy.url, {
      commandTimeout: 2_000,
      disconnectTimeout: 50,
      retryStrategy: () => 20,
      maxRetriesPerRequest: 0,
    });
    client.on('error', () => undefined);
    await client.ping();
    const before = proxy.trips;
    await Promise.all([client.get('a'), client.get('b'), client.get('c')]);
    expect(proxy.trips - before).toBe(1);
    await client.get('a');
    await client.get('a');
    expect(proxy.trips - before).toBe(3);
    proxy.block();
    await expect(client.get('a')).rejects.toThrow(/timed out/);
    proxy.unblock();
    await once(client, 'ready');
    expect(await client.get('a')).toBeNull();
    client.disconnect();
  });
});

describe('Test harness: members', () => {
  const LIMIT: ObservedLimit = { unit: 'requests', perMinute: 600, burstSeconds: 1 };

  it('are separate processes that report the outcome of every call', async () => {
    const provider = await rig.provider();
    const endpoints = [provider.endpoint({ rpm: 600, burstSeconds: 1 })];
    const [steady, concurrent] = (await rig.members(2, { endpoints })) as [Member, Member];
    const [even, many] = await Promise.all([
      steady.load({ perSecond: 40, forMs: 1_500, timeoutMs: 500 }),
      concurrent.load({ callers: 12, forMs: 1_500, tokens: { prompt: 100, output: 7 } }),
    ]);
    expect(even.length).toBeGreaterThan(15);
    expect(even.some(({ code }) => code === 'ERR_AI_SATURATED' || code === 'ERR_AI_DEADLINE')).toBe(true);
    expect(many.every(({ code, attempts }) => code === undefined && attempts === 1)).toBe(true);
    expect(many.some(({ waitMs }) => waitMs > 50)).toBe(true);
    expect(steady.unfinished + concurrent.unfinished).toBe(0);

    const admissions = await provider.admissions();
    const answered = (outcomes: typeof even) => outcomes.filter(({ code }) => code === undefined).length;
    // On a busy machine a call may be sent and still miss its deadline.
    const sent = (outcomes: typeof even) => outcomes.filter(({ attempts }) => attempts > 0).length;
    expect(admissions).toHaveLength(sent(even) + sent(many));
    expect(taken(admissions, 'tokens')).toBe(100 * sent(even) + 107 * sent(many));
    // Without a cluster they use the limit twice, which the observer must see.
    expect(worstExcess(admissions, LIMIT)).toBeGreaterThan(5);
    const both = { ...LIMIT, perMinute: 1_200 };
    expect(worstExcess(admissions, both)).toBeLessThanOrEqual(await unitsLate([steady, concurrent], both));

    expect((await steady.stats()).calls.ok).toBe(answered(even));
    const { usedMs, uptimeMs } = await steady.cpu();
    expect(usedMs).toBeGreaterThan(100);
    expect(uptimeMs).toBeGreaterThan(2_000);
  });

  it('can have a shifted wall clock, which does not affect the times that they report', async () => {
    const provider = await rig.provider();
    const config = { endpoints: [provider.endpoint()] };
    const member = await rig.member({ config, clockShiftMs: 3_600_000 });
    await provider.provider.fault({ kind: 'error', status: 429, headers: { 'retry-after': '100' } });
    const [outcome] = await member.load({ perSecond: 1, forMs: 1, timeoutMs: 20_000 });
    expect(Math.abs(outcome!.startedAt - Date.now())).toBeLessThan(100_000);
    expect(Math.abs(member.events[0]!.at - Date.now())).toBeLessThan(100_000);
    const { cooldownUntil } = (await member.stats()).endpoints[0]!;
    expect(cooldownUntil! - Date.now()).toBeGreaterThan(3_600_000);
  });

  it('can be killed, stopped and continued, and end with their rig', async () => {
    const provider = await rig.provider();
    const config = { endpoints: [provider.endpoint()] };
    const [killed, stopped, closed] = (await rig.members(3, config)) as [Member, Member, Member];
    const lost = killed.load({ perSecond: 10, forMs: 5_000 });
    await Promise.all([killed.kill9(), expect(lost).rejects.toThrow(/has exited/)]);
    expect(isAlive(killed.pid)).toBe(false);
    stopped.stop();
    const late = stopped.stats();
    expect(await Promise.race([late, pause(200)])).toBeUndefined();
    stopped.cont();
    expect(await late).toMatchObject({ total: 1 });
    stopped.stop();
    await rig.close();
    if (process.platform === 'linux')
      expect([stopped, closed].map(({ pid }) => isAlive(pid))).toEqual([false, false]);
  });

  it("can be workers of Node's cluster module", async () => {
    const provider = await rig.provider();
    const { members } = await rig.workers(2, { endpoints: [provider.endpoint()] });
    const outcomes = await Promise.all(members.map((member) => member.load({ perSecond: 10, forMs: 500 })));
    expect(outcomes.flat().every(({ code }) => code === undefined)).toBe(true);
    expect(await provider.admissions()).toHaveLength(outcomes.flat().length);
    await members[0]!.kill9();
    expect(await members[1]!.stats()).toMatchObject({ total: 1 });
  });

  it('report an invalid configuration', async () => {
    await expect(rig.member({ config: { endpoints: [] } })).rejects.toThrow(/endpoints/);
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
