import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Redis } from 'ioredis';
import { exceededLimit, TenantLimits } from '../../lib/tenant/limits';
import { redisAccess, redisCounters } from '../../lib/tenant/limits-redis';
import { freePort, RedisServer } from '../cluster/harness/redis-server';
import { requires } from '../helpers/requires';

const ACME = { key: 'tenant:acme', name: 'acme' };
const redis = requires('redis-server');

const clients: Redis[] = [];
const servers: RedisServer[] = [];
let outages: boolean[] = [];

beforeEach(() => {
  outages = [];
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function startRedis(): Promise<RedisServer> {
  const server = await RedisServer.start();
  servers.push(server);
  return server;
}

function limitsAt(port: number, options = { rpm: 3, tpm: 100, usdPerDay: 1 }): TenantLimits {
  const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 20, disconnectTimeout: 50 });
  client.on('error', () => undefined);
  clients.push(client);
  const onOutage = (isDown: boolean) => void outages.push(isDown);
  return new TenantLimits(options, redisCounters({ access: redisAccess(client), prefix: 'test', onOutage }));
}

redis.describe('Tenant limits in Redis:', () => {
  it('all processes share the counts', async () => {
    const { port } = await startRedis();
    const [one, two] = [limitsAt(port), limitsAt(port)];
    await one.countRequest(ACME);
    await two.countRequest(ACME);
    await one.recordUsage(ACME, { tokens: 40, dollars: 0.25 });
    const states = await two.countRequest(ACME);
    expect(states).toMatchObject([{ remaining: 0 }, { remaining: 60 }, { remaining: 0.75 }]);
    for (const { resetMs, windowSeconds } of states) {
      expect(resetMs).toBeLessThanOrEqual(windowSeconds * 1_000);
      expect(resetMs).toBeGreaterThan(windowSeconds * 1_000 - 10_000);
    }
    expect(exceededLimit(await one.countRequest(ACME))).toMatchObject({ name: 'requests' });
    expect(await one.check(ACME)).toMatchObject([{ remaining: 0 }, { remaining: 60 }, { remaining: 0.75 }]);
    expect(outages).toEqual([]);
  });

  it('the keys of a tenant expire with their window', async () => {
    const { port } = await startRedis();
    await limitsAt(port).countRequest(ACME);
    const [client] = clients;
    const keys = (await client?.keys('*')) ?? [];
    expect(keys).toEqual(['test:requests:tenant:acme']);
    expect(await client?.ttl(keys[0] ?? '')).toBeGreaterThan(50);
  });

  it('requests are counted in memory while Redis is unreachable, and in Redis again afterwards', async () => {
    const server = await startRedis();
    const limits = limitsAt(server.port);
    await limits.countRequest(ACME);
    await server.kill9();
    await untilStatus((status) => status !== 'ready');
    // A new window in memory: the outage refuses no request, and admits none without a limit.
    const admitted = [];
    for (let n = 0; n < 5; n++) admitted.push(exceededLimit(await limits.countRequest(ACME)) === undefined);
    expect(admitted).toEqual([true, true, true, false, false]);
    expect(outages).toEqual([true]);

    await server.restart();
    await untilStatus((status) => status === 'ready');
    await expectSoon(async () => {
      await limits.check(ACME);
      expect(outages).toEqual([true, false]);
    });
    expect(exceededLimit(await limits.countRequest(ACME))).toBeUndefined();
  });
});

describe('Tenant limits while Redis cannot be used:', () => {
  it('no request is refused if Redis was never reachable', async () => {
    const limits = limitsAt(await freePort());
    await untilStatus((status) => status === 'reconnecting');
    expect(exceededLimit(await limits.countRequest(ACME))).toBeUndefined();
    expect(outages).toEqual([true]);
  });

  it('only one request is delayed, by half a second, if Redis accepts connections but never answers', async () => {
    const sockets: Socket[] = [];
    const silent: Server = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const limits = limitsAt((silent.address() as AddressInfo).port);
    const delayed: boolean[] = [];
    const count = async () => {
      const counting = limits.countRequest(ACME);
      const timer = new Promise<boolean>((resolve) => setTimeout(resolve, 400, true));
      delayed.push(await Promise.race([counting.then(() => false), timer]));
      return exceededLimit(await counting);
    };
    for (let n = 0; n < 3; n++) expect(await count()).toBeUndefined();
    expect(await count()).toMatchObject({ name: 'requests' });
    expect(delayed).toEqual([true, false, false, false]);
    expect(outages).toEqual([true]);
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
});

async function untilStatus(matches: (status: string) => boolean): Promise<void> {
  await expectSoon(() => expect(matches(clients[0]?.status ?? '')).toBe(true));
}

async function expectSoon(check: () => unknown): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await check();
      return;
    } catch (error) {
      if (tries === 5_000) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
