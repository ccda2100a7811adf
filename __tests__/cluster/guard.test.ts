import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import express from 'express';
import { type Balancer, createBalancer, rateLimitGuard } from 'express-ai-balancer';
import { Redis } from 'ioredis';
import request from 'supertest';
import { requireExclusiveMachine } from '../helpers/exclusive-machine';
import { requires } from '../helpers/requires';
import { GuardedApp, type GuardedResponse } from './guarded-app';
import { ClusterRig, type RedisServer } from './harness';

requireExclusiveMachine();

const PREFIX = 'sale';
/** Far above what a request may wait for a Redis that hangs, which would otherwise be for ever. */
const MOST_MS = 10_000;

const rig = new ClusterRig();
let apps: GuardedApp[] = [];
const balancers: Balancer[] = [];
const closers: (() => void)[] = [];
afterEach(async () => {
  await Promise.all(balancers.splice(0).map((balancer) => balancer.close()));
  for (const close of closers.splice(0)) close();
});
afterAll(() => closeAll());

async function closeAll(): Promise<void> {
  await Promise.all(apps.splice(0).map((app) => app.close()));
  await rig.close();
}

async function startApps(redis: RedisServer): Promise<void> {
  const provider = await rig.provider();
  const config = {
    endpoints: [provider.endpoint({ price: { input: 1_000, output: 1_000 } })],
    cluster: { redis: redis.url, prefix: PREFIX },
  };
  apps = await Promise.all([0, 0].map(() => GuardedApp.start(config)));
  // On a busy machine the first answer of Redis may come too late, and an app counts in memory until the next.
  const tenant = 'rpm=10000 warm-up';
  const key = `${PREFIX}:guard:app:requests:tenant:${tenant}`;
  for (const app of apps) {
    await redis.withClient((client) =>
      soon(async () => {
        const before = Number(await client.get(key));
        await app.request(tenant);
        expect(Number(await client.get(key))).toBe(before + 1);
      }),
    );
    app.storeEvents.length = 0;
  }
}

/**
 * Sends requests one after another, to the apps in turn.
 * @param afterEach Called with the responses so far.
 */
async function visits(
  tenant: string,
  count: number,
  afterEach: (responses: readonly GuardedResponse[]) => Promise<unknown> = () => pause(10),
): Promise<GuardedResponse[]> {
  const responses: GuardedResponse[] = [];
  for (let n = 0; n < count; n++) {
    const visit = await apps[n % apps.length]?.request(tenant);
    if (visit) responses.push(visit);
    await afterEach(responses);
  }
  return responses;
}

/** What one call counts: 60 + 40 tokens at $1,000 per million, in billionths of a dollar. */
const UNITS_PER_CALL = { tokens: 100, dollars: 1e8 };

/** Resolves when Redis has counted the usage of the calls so far: it is recorded when a call ends, just after its answer. */
async function usageIsCounted(
  redis: RedisServer,
  limit: keyof typeof UNITS_PER_CALL,
  tenant: string,
  responses: readonly GuardedResponse[],
): Promise<void> {
  const key = `${PREFIX}:guard:app:${limit}:tenant:${tenant}`;
  await redis.withClient((client) =>
    soon(async () => expect(Number(await client.get(key))).toBe(served(responses) * UNITS_PER_CALL[limit])),
  );
}

/** Creates a balancer in this process. */
function balancerAt(redis: string): Balancer {
  const balancer = createBalancer({
    endpoints: [{ name: 'a', model: 'gpt-4o', baseURL: 'http://127.0.0.1:9' }],
    cluster: { redis },
  });
  balancers.push(balancer);
  return balancer;
}

const served = (responses: readonly GuardedResponse[]): number =>
  responses.filter(({ status }) => status === 200).length;

const withRedis = requires('redis-server');

withRedis.describe("Guard with the cluster's Redis:", () => {
  describe.each([
    ['one Redis', false],
    ['Redis Cluster', true],
  ])('with %s', (_, clusterMode) => {
    let redis: RedisServer;
    beforeAll(async () => {
      redis = await rig.redis({ clusterMode });
      await startApps(redis);
    });
    afterAll(() => closeAll());

    it('a tenant has one limit in all processes', async () => {
      const [tpm, usd] = ['tpm=500 a', 'usdPerDay=0.5 a'];
      const responses = await Promise.all([
        visits('rpm=6 a', 9),
        visits(tpm, 9, (responses) => usageIsCounted(redis, 'tokens', tpm, responses)),
        visits(usd, 9, (responses) => usageIsCounted(redis, 'dollars', usd, responses)),
        visits('rpm=6 b', 9),
      ]);
      expect(responses.map(served)).toEqual([6, 5, 5, 6]);
      expect(new Set(responses.flat().map(({ status }) => status))).toEqual(new Set([200, 429]));
      expect(responses[0][1]?.headers.get('ratelimit')).toMatch('"app-requests";r=4;');
      const keys = await redis.keys(`${PREFIX}:guard:*`);
      expect(keys.map(({ key }) => key)).toEqual(
        expect.arrayContaining([
          `${PREFIX}:guard:app:dollars:tenant:usdPerDay=0.5 a`,
          `${PREFIX}:guard:app:requests:tenant:rpm=6 a`,
          `${PREFIX}:guard:app:tokens:tenant:tpm=500 a`,
        ]),
      );
      for (const { ttlMs } of keys) expect(ttlMs).toBeGreaterThan(0);
      expect(apps.flatMap(({ storeEvents }) => storeEvents)).toEqual([]);
    });

    if (clusterMode) return;

    it.each<[string, (redis: RedisServer) => unknown, (redis: RedisServer) => unknown]>([
      ['is killed', (redis) => redis.kill9(), (redis) => redis.restart()],
      ['freezes', (redis) => redis.stop(), (redis) => redis.cont()],
    ])(
      'no request is refused or delayed when Redis %s, and the processes share their counts again afterwards',
      async (how, end, begin) => {
        for (const { storeEvents } of apps) storeEvents.length = 0;
        const tenant = `rpm=200 ${how}`;
        await visits(tenant, 10);
        const running = visits(tenant, 60);
        await pause(150);
        await end(redis);
        const responses = await running;
        expect(served(responses)).toBe(60);
        expect(Math.max(...responses.map(({ ms }) => ms))).toBeLessThan(MOST_MS);
        expect(apps.map(({ storeEvents }) => storeEvents.at(-1))).toEqual([true, true]);
        await begin(redis);
        await soon(async () => {
          await visits(tenant, 2);
          expect(apps.map(({ storeEvents }) => storeEvents.at(-1))).toEqual([false, false]);
        });
        const [first, second, third] = await visits(`rpm=200 after it ${how}`, 3);
        expect([first, second, third].map((visit) => visit?.headers.get('ratelimit'))).toEqual([
          expect.stringContaining('r=199;'),
          expect.stringContaining('r=198;'),
          expect.stringContaining('r=197;'),
        ]);
      },
    );
  });

  it('the guard uses the Redis client of the application instead if it gets one', async () => {
    const [redis, own] = await Promise.all([rig.redis(), rig.redis()]);
    const client = new Redis(own.port, '127.0.0.1');
    closers.push(() => client.disconnect());
    const balancer = balancerAt(redis.url);
    await balancer.ready();
    const app = express().use(rateLimitGuard(balancer, { redis: client, rpm: 5 }));
    await request(app).get('/');
    expect((await own.keys()).map(({ key }) => key)).toEqual([
      expect.stringMatching(/^ai-balancer:guard:ai:requests:address:/),
    ]);
    expect(await redis.keys('*guard*')).toEqual([]);
    await balancer.close();
    expect(await client.ping()).toBe('PONG');
  });
});

describe('Guard whose cluster has never reached Redis:', () => {
  it('the guard counts in memory, and emits "store" once Redis is known to be unreachable', async () => {
    const events: unknown[] = [];
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    closers.push(
      () => silent.close(),
      () => sockets.forEach((socket) => socket.destroy()),
    );
    await once(silent, 'listening');
    const balancer = balancerAt(`redis://127.0.0.1:${(silent.address() as AddressInfo).port}`);
    balancer.on('store', (event) => events.push(event));
    const app = express().use(rateLimitGuard(balancer, { rpm: 2 }), (_req, res) => void res.json({}));
    expect((await request(app).get('/')).status).toBe(200);
    // It has not waited until that is known.
    expect(events).toEqual([]);
    await balancer.ready();
    expect((await request(app).get('/')).status).toBe(200);
    expect((await request(app).get('/')).status).toBe(429);
    expect(events).toEqual([{ guard: 'ai', isDown: true }]);
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function soon(check: () => Promise<void>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await check();
      return;
    } catch (error) {
      if (tries === 600) throw error;
      await pause(50);
    }
  }
}
