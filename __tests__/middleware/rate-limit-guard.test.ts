import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express5, { type Express } from 'express';
import { type Balancer, failoverExecutor, rateLimitGuard, smartRouter } from 'express-ai-balancer';
import OpenAI, { RateLimitError } from 'openai';
import request from 'supertest';
import { fakeDate } from '../helpers/fake-date';
import { endpointAt, HELLO, Rig, until } from '../helpers/provider';

const rig = new Rig();

afterEach(() => jest.useRealTimers());

async function createBalancer(): Promise<Balancer> {
  const price = { input: 1_000, output: 1_000 };
  return rig.balancer([endpointAt(await rig.provider(), { price })]);
}

/** Starts one call at once and one more every ten seconds, with `waiting` calls in the queue. */
async function createBusyBalancer(waiting: number, queue = {}): Promise<Balancer> {
  const balancer = rig.balancer([endpointAt(await rig.provider(), { rpm: 6, burstSeconds: 10 })], queue);
  for (let call = 0; call <= waiting; call++) void balancer.chat(HELLO).catch(() => undefined);
  await until(() => balancer.stats().queue.size >= waiting);
  return balancer;
}

const VERSIONS: [string, typeof express5][] = [
  ['Express 5', express5],
  ['Express 4', jest.requireActual<typeof express5>('express4')],
];

describe.each(VERSIONS)('rateLimitGuard() as a middleware, on %s', (_version, express) => {
  it('admits requests up to the limit and responds to the others with an OpenAI-shaped 429', async () => {
    const app = express();
    const handled = jest.fn();
    app.use(rateLimitGuard(await createBalancer(), { rpm: 2 }));
    app.post('/ai', (_req, res) => {
      handled();
      res.send('served');
    });
    for (const left of [1, 0]) {
      const served = await request(app).post('/ai').expect(200, 'served');
      expect(served.headers['ratelimit-policy']).toBe('"ai-requests";q=2;w=60');
      expect(served.headers.ratelimit).toBe(`"ai-requests";r=${left};t=60`);
      expect(served.headers['retry-after']).toBeUndefined();
    }
    const refused = await request(app).post('/ai').expect(429).expect('content-type', /json/);
    expect(refused.body).toEqual({
      error: {
        message: 'Limit exceeded: 2 requests per minute. Try again in 60 s.',
        type: 'rate_limit_error',
        code: 'ERR_AI_TENANT_LIMIT',
        param: null,
      },
    });
    expect(refused.headers['retry-after']).toBe('60');
    expect(refused.headers.ratelimit).toBe('"ai-requests";r=0;t=60');
    expect(handled).toHaveBeenCalledTimes(2);
  });

  it('refuses a request before its body is parsed', async () => {
    const app = express();
    app.use(rateLimitGuard(await createBalancer(), { rpm: 1 }), express.json());
    app.post('/ai', (_req, res) => res.end());
    await request(app).post('/ai').send({}).expect(200);
    const broken = request(app).post('/ai').set('content-type', 'application/json');
    await broken.send('{ no json').expect(429);
  });

  it('passes errors thrown by tenant(), priority() and limit functions to the error handler', async () => {
    const balancer = await createBalancer();
    const app = express();
    const fail = new Error('the session store is down');
    app.get('/rejects', rateLimitGuard(balancer, { tenant: () => Promise.reject(fail) }));
    app.get('/throws', rateLimitGuard(balancer, { priority: () => raise(fail) }));
    app.get('/limit', rateLimitGuard(balancer, { rpm: () => raise(fail) }));
    app.get('/priority', rateLimitGuard(balancer, { priority: () => 7 as 5 }));
    const seen = collectErrors(app);
    for (const path of ['/rejects', '/throws', '/limit']) await request(app).get(path).expect(500);
    expect(seen).toEqual([fail, fail, fail]);
    await request(app).get('/priority').expect(400);
    expect(seen[3]).toMatchObject({ code: 'ERR_AI_BAD_REQUEST', param: 'priority' });
  });
});

describe('rateLimitGuard() as a middleware', () => {
  it('counts each tenant separately, and clients without a tenant by address', async () => {
    const app = express5();
    app.use(rateLimitGuard(await createBalancer(), { tenant: (req) => req.get('x-shop'), rpm: 1 }));
    app.get('/', (_req, res) => void res.end());
    for (const shop of ['acme', 'other']) {
      await request(app).get('/').set('x-shop', shop).expect(200);
      await request(app).get('/').set('x-shop', shop).expect(429);
    }
    await request(app).get('/').expect(200);
    await request(app).get('/').expect(429);
  });

  it('calls a limit function for each tenant, and sends no RateLimit headers for a tenant without limits', async () => {
    const app = express5();
    const rpm = (tenant?: string) => (tenant === 'free' ? 1 : undefined);
    const tenant = (req: express5.Request) => Promise.resolve(req.get('x-plan'));
    app.use(rateLimitGuard(await createBalancer(), { tenant, rpm }));
    app.get('/', (_req, res) => void res.end());
    const paid = await request(app).get('/').set('x-plan', 'paid').expect(200);
    expect(paid.headers.ratelimit).toBeUndefined();
    expect(paid.headers['ratelimit-policy']).toBeUndefined();
    await request(app).get('/').set('x-plan', 'free').expect(200);
    await request(app).get('/').set('x-plan', 'free').expect(429);
  });

  it('admits requests again when the window has ended', async () => {
    fakeDate(1_000_000);
    const app = express5();
    app.use(rateLimitGuard(await createBalancer(), { rpm: 1 }));
    app.get('/', (_req, res) => void res.end());
    await request(app).get('/').expect(200);
    jest.setSystemTime(1_059_000);
    await request(app).get('/').expect(429).expect('retry-after', '1');
    jest.setSystemTime(1_060_000);
    await request(app).get('/').expect(200);
  });

  it('counts the tokens and dollars that calls used, and refuses requests when either is used up', async () => {
    const balancer = await createBalancer();
    const app = express5();
    app.use(rateLimitGuard(balancer, { tpm: 1_000_000, usdPerDay: 0.03 }), failoverExecutor(balancer));
    app.post('/ai', async (req, res) => {
      const { data, route } = await req.ai.chat(HELLO).withRoute();
      res.json({ tokens: data.usage?.total_tokens, usd: route.costUsd });
    });
    const first = await request(app).post('/ai').expect(200);
    const { tokens, usd } = first.body as { tokens: number; usd: number };
    expect(usd).toBeCloseTo(tokens / 1_000);
    expect(first.headers.ratelimit).toBe('"ai-tokens";r=1000000;t=60, "ai-dollars";r=30000;t=86400');
    const second = await request(app).post('/ai');
    expect(second.headers['ratelimit-policy']).toBe(
      '"ai-tokens";q=1000000;w=60;qu="tokens", "ai-dollars";q=30000;w=86400;qu="micro-usd"',
    );
    expect(second.headers.ratelimit).toContain(`"ai-tokens";r=${1_000_000 - tokens};t=`);
    expect(usd).toBeGreaterThan(0.03);
    expect(second.status).toBe(429);
    expect(second.body).toMatchObject({
      error: { message: expect.stringContaining('0.03 US dollars per day') as string },
    });
    // OpenAI's clients ignore a wait of a day and would retry at once.
    expect(second.headers['x-should-retry']).toBe('false');
  });

  it('counts a request only once even if it passes the same guard twice', async () => {
    const guard = rateLimitGuard(await createBalancer(), { rpm: 2 });
    const app = express5();
    app.use(guard);
    app.get('/', guard, (_req, res) => void res.end());
    await request(app).get('/').expect('ratelimit', '"ai-requests";r=1;t=60');
    await request(app).get('/').expect(200);
    await request(app).get('/').expect(429);
  });

  it('keeps the RateLimit headers that another middleware has set, in one line or several', async () => {
    const app = express5();
    app.use((req, res, next) => {
      const own = ['"own";r=1;t=1', '"more";r=2;t=2'];
      res.setHeader('RateLimit', req.query.lines === 'several' ? own : own.join(', '));
      next();
    });
    app.use(rateLimitGuard(await createBalancer(), { rpm: 9, tenant: () => 'acme' }));
    app.get('/', (_req, res) => void res.end());
    for (const lines of ['several', 'one']) {
      const { headers } = await request(app).get('/').query({ lines }).expect(200);
      expect(headers.ratelimit).toMatch(/^"own";r=1;t=1, "more";r=2;t=2, ".+-requests";r=\d;t=\d+$/);
    }
  });

  it('sends the limits of two guards in the same RateLimit headers', async () => {
    const balancer = await createBalancer();
    const app = express5();
    app.use(rateLimitGuard(balancer, { rpm: 9, name: 'shop' }));
    app.get('/', rateLimitGuard(balancer, { rpm: 5 }), (_req, res) => void res.end());
    const answer = await request(app).get('/').expect(200);
    expect(answer.headers['ratelimit-policy']).toBe('"shop-requests";q=9;w=60, "ai-requests";q=5;w=60');
    expect(answer.headers.ratelimit).toBe('"shop-requests";r=8;t=60, "ai-requests";r=4;t=60');
  });

  it('sets tenant and priority in the context, which a smartRouter() mounted later can override', async () => {
    const balancer = await createBalancer();
    const app = express5();
    app.use(rateLimitGuard(balancer, { tenant: () => 'acme', priority: () => 5 }));
    app.get('/', (req, res) => void res.json(req.ai.context));
    app.get('/bulk', smartRouter(balancer, { priority: 1 }), (req, res) => void res.json(req.ai.context));
    expect((await request(app).get('/')).body).toMatchObject({ tenant: 'acme', priority: 5 });
    expect((await request(app).get('/bulk')).body).toMatchObject({ tenant: 'acme', priority: 1 });
  });

  it('does not put the client address into the context', async () => {
    const app = express5();
    app.use(rateLimitGuard(await createBalancer(), { rpm: 5 }));
    app.get('/', (req, res) => void res.json(req.ai.context));
    expect((await request(app).get('/')).text).not.toContain('127.0.0.1');
  });

  it('makes the official OpenAI client throw its RateLimitError', async () => {
    const app = express5();
    app.use(rateLimitGuard(await createBalancer(), { rpm: 1 }));
    app.post('/v1/chat/completions', (_req, res) => void res.json({ choices: [] }));
    const server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = new OpenAI({
      baseURL: `http://127.0.0.1:${port}/v1`,
      apiKey: 'sk-test',
      maxRetries: 0,
    });
    const ask = () => client.chat.completions.create({ model: 'gpt-4o', messages: [] });
    await ask();
    const error: unknown = await ask().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RateLimitError);
    expect(error).toMatchObject({ status: 429, code: 'ERR_AI_TENANT_LIMIT', type: 'rate_limit_error' });
    server.close();
    server.closeAllConnections();
  });
});

describe('rateLimitGuard() in front of a busy balancer', () => {
  function guardedApp(balancer: Balancer): Express {
    const app = express5();
    const priority = (req: express5.Request) => Number(req.get('x-priority') ?? 3) as 3;
    app.use(rateLimitGuard(balancer, { priority, rpm: 100 }));
    app.get('/', (_req, res) => void res.end());
    return app;
  }

  it('admits every request while no call waits', async () => {
    await request(guardedApp(await createBusyBalancer(0)))
      .get('/')
      .expect(200);
  });

  it('responds with 503 if a call of that priority could not start before the default deadline, and admits a higher priority', async () => {
    // Six calls wait ten seconds each: the seventh would start after 60 s.
    const app = guardedApp(await createBusyBalancer(6, { timeouts: { totalMs: 55_000 } }));
    const refused = await request(app).get('/').expect(503);
    expect(refused.body).toEqual({
      error: {
        message: expect.stringMatching(/^the calls ahead leave no quota/) as string,
        type: 'server_error',
        code: 'ERR_AI_SATURATED',
        param: null,
      },
    });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(60);
    // The refused request was not counted.
    const served = await request(app).get('/').set('x-priority', '5').expect(200);
    expect(served.headers.ratelimit).toContain('r=99;');
  });

  it('responds with 503 if the queue is full, except to a request that would evict a waiting call', async () => {
    const app = guardedApp(await createBusyBalancer(3, { queue: { maxSize: 3 } }));
    const refused = await request(app).get('/').set('x-priority', '2').expect(503);
    expect(refused.headers['retry-after']).toMatch(/^\d+$/);
    expect(refused.body).toMatchObject({ error: { code: 'ERR_AI_SATURATED' } });
    await request(app).get('/').set('x-priority', '4').expect(200);
  });

  it('does not evict a waiting call when it checks for capacity', async () => {
    const balancer = await createBusyBalancer(3, { queue: { maxSize: 3 } });
    const app = guardedApp(balancer);
    for (const priority of ['1', '3', '5']) await request(app).get('/').set('x-priority', priority);
    expect(balancer.stats().queue).toMatchObject({ size: 3, byPriority: { 3: 3 } });
    expect(balancer.stats().calls.shed).toBe(0);
  });
});

function raise(error: Error): never {
  throw error;
}

/** Collects the errors that reach the app's error handler. */
function collectErrors(app: Express): unknown[] {
  const seen: unknown[] = [];
  const handler: express5.ErrorRequestHandler = (error: Error & { status?: number }, _req, res, _next) => {
    seen.push(error);
    res.status(error.status ?? 500).end();
  };
  app.use(handler);
  return seen;
}
