import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import express, { type Express, type RequestHandler } from 'express';
import {
  type AiBalancerError,
  aiBalancer,
  type Balancer,
  type RateLimitGuardOptions,
  rateLimitGuard,
} from 'express-ai-balancer';
import request from 'supertest';
import { endpointAt, HELLO, Rig, until } from '../helpers/provider';

const rig = new Rig();
const PRICE = { input: 1_000, output: 1_000 };

async function start(options = {}): Promise<Balancer> {
  return rig.balancer([endpointAt(await rig.provider(options), { price: PRICE })]);
}

function appOf(
  balancer: Balancer,
  guard: RateLimitGuardOptions | RequestHandler,
  ...before: RequestHandler[]
): Express {
  const app = express();
  app.use(aiBalancer(balancer, { guard }), ...before);
  app.get('/page', (_req, res) => void res.send('a page'));
  app.get('/ask', async (req, res) => void res.json(await req.ai.chat(HELLO)));
  app.get('/twice', async (req, res) => {
    await Promise.all([req.ai.chat(HELLO), req.ai.chat(HELLO)]);
    await req.ai.chat(HELLO);
    res.send('thrice');
  });
  const failed: express.ErrorRequestHandler = (
    error: { status?: number; code?: string },
    _req,
    res,
    _next,
  ) => {
    res
      .status(error.status ?? 500)
      .json({ code: error.code, headers: (error as { headers?: object }).headers });
  };
  app.use(failed);
  return app;
}

/** What the RateLimit header says is left of one limit. */
async function remaining(app: Express, name: string): Promise<number> {
  const { headers } = await request(app).get('/ask');
  return Number(new RegExp(`"ai-${name}";r=(\\d+)`).exec(headers.ratelimit ?? '')?.[1]);
}

describe('The guard of aiBalancer()', () => {
  it('never counts or refuses a request that makes no AI call', async () => {
    const tenant = jest.fn(() => 'acme');
    const app = appOf(await start(), { rpm: 1, tenant });
    for (let n = 0; n < 5; n++) {
      const page = await request(app).get('/page').expect(200);
      expect(page.headers.ratelimit).toBeUndefined();
    }
    expect(tenant).not.toHaveBeenCalled();
    await request(app).get('/ask').expect(200);
    await request(app).get('/page').expect(200);
  });

  it('rejects a call over the limit with a 429 error that has a Retry-After header', async () => {
    const app = appOf(await start(), { rpm: 1 });
    const served = await request(app).get('/ask').expect(200);
    expect(served.headers.ratelimit).toMatch(/^"ai-requests";r=0;t=(60|5\d)$/);
    const refused = await request(app).get('/ask').expect(429);
    expect(refused.body).toEqual({
      code: 'ERR_AI_TENANT_LIMIT',
      headers: { 'Retry-After': expect.stringMatching(/^(60|5\d)$/) as string },
    });
    expect(refused.headers.ratelimit).toMatch(/^"ai-requests";r=0;t=(60|5\d)$/);
  });

  it('prevents a refused call from being sent to the provider', async () => {
    const provider = await rig.provider();
    const app = appOf(rig.balancer([endpointAt(provider)]), { rpm: () => 0 });
    await request(app).get('/ask').expect(429);
    expect(provider.stats().seen).toBe(0);
  });

  it('counts a request once, no matter how many calls it makes', async () => {
    const app = appOf(await start(), { rpm: 10 });
    await request(app).get('/twice').expect(200);
    expect(await remaining(app, 'requests')).toBe(8);
  });

  it('counts a request once even if the guard is also mounted as a middleware', async () => {
    const balancer = await start();
    const guard = rateLimitGuard(balancer, { rpm: 10 });
    const app = appOf(balancer, guard, guard);
    await request(app).get('/twice').expect(200);
    expect(await remaining(app, 'requests')).toBe(8);
    await request(app)
      .get('/page')
      .expect('ratelimit', /^"ai-requests";r=7;t=(60|5\d)$/);
  });

  it('counts the tokens of a call once even if the guard is also mounted as a middleware', async () => {
    const balancer = await start();
    const guard = rateLimitGuard(balancer, { tpm: 100_000 });
    const app = appOf(balancer, guard, guard);
    const answer = await request(app).get('/ask').expect(200);
    const { usage } = answer.body as { usage: { total_tokens: number } };
    expect(await remaining(app, 'tokens')).toBe(100_000 - usage.total_tokens);
  });

  it('refuses further calls of a request when the tokens are used up', async () => {
    const app = appOf(await start(), { tpm: 1 });
    await request(app).get('/twice').expect(429);
  });

  it('counts the tokens and dollars of a stream, even if the handler stops reading it early', async () => {
    const balancer = await start({ timeScale: 0.02 });
    const app = express();
    app.use(aiBalancer(balancer, { guard: { tpm: 100_000, usdPerDay: 1_000 } }));
    app.get('/stream', async (req, res) => {
      const stream = await req.ai.chat({ ...HELLO, stream: true });
      for await (const chunk of stream) if (req.query.leave && chunk.choices[0]?.delta.content) break;
      res.json(stream.route);
    });
    app.get('/ask', async (req, res) => void res.json(await req.ai.chat(HELLO)));
    let spent = 0;
    for (const path of ['/stream', '/stream?leave=1']) {
      const answer = await request(app).get(path).expect(200);
      const { usage, costUsd } = answer.body as { usage: { total_tokens: number }; costUsd: number };
      expect(usage.total_tokens).toBeGreaterThan(0);
      expect(costUsd).toBeCloseTo(usage.total_tokens / 1_000);
      spent += usage.total_tokens;
    }
    const { headers } = await request(app).get('/ask');
    expect(headers.ratelimit).toContain(`"ai-tokens";r=${100_000 - spent};`);
    expect(headers.ratelimit).toContain(`"ai-dollars";r=${(1_000 - spent / 1_000) * 1e6};`);
  });

  it('counts no tokens for a call that failed before an answer began', async () => {
    const provider = await rig.provider();
    const balancer = rig.balancer([endpointAt(provider, { price: PRICE })]);
    const app = appOf(balancer, { tpm: 500 });
    const fault = provider.fault({ kind: 'error', status: 400, code: 'bad', afterMs: 0 });
    await request(app).get('/ask').expect(400);
    await fault.end();
    expect(await remaining(app, 'tokens')).toBe(500);
  });

  it('calls tenant() and priority() at the first call, so that a login middleware mounted later has run', async () => {
    const balancer = await start();
    const calls: unknown[] = [];
    const app = express();
    const tenant = (req: express.Request) => Promise.resolve(req.res?.locals.user as string);
    const priority = (req: express.Request) => (req.res?.locals.user === 'acme' ? 5 : 2);
    app.use(aiBalancer(balancer, { guard: { tenant, priority, rpm: 1 } }));
    app.use((req, res, next) => {
      res.locals.user = req.get('x-user');
      next();
    });
    app.get('/', async (req, res) => {
      await req.ai.chat(HELLO);
      calls.push(req.ai.context);
      res.end();
    });
    await request(app).get('/').set('x-user', 'acme').expect(200);
    await request(app).get('/').set('x-user', 'other').expect(200);
    expect(calls).toMatchObject([
      { tenant: 'acme', priority: 5 },
      { tenant: 'other', priority: 2 },
    ]);
  });

  it('uses the tenant of the context if tenant() is not given', async () => {
    const app = express();
    const context = (req: express.Request) => ({ tenant: req.get('x-user') ?? 'nobody' });
    app.use(aiBalancer(await start(), { guard: { rpm: 1 }, router: { context } }));
    app.get('/', async (req, res) => {
      res.json(
        await req.ai.chat(HELLO).catch((error: unknown) => ({ code: (error as AiBalancerError).code })),
      );
    });
    const ask = async (user: string) => (await request(app).get('/').set('x-user', user)).body as object;
    expect(await ask('acme')).toHaveProperty('choices');
    expect(await ask('other')).toHaveProperty('choices');
    expect(await ask('acme')).toEqual({ code: 'ERR_AI_TENANT_LIMIT' });
  });

  it('rejects the call with the error that tenant() or priority() throws', async () => {
    const app = appOf(await start(), { tenant: () => raise('no session') });
    await request(app).get('/page').expect(200);
    await request(app).get('/ask').expect(500);
    const priority = appOf(await start(), { priority: () => 9 as 5 });
    await request(priority).get('/ask').expect(400);
    await request(priority).get('/ask').expect(400);
  });

  it('aborts a call of a disconnected client while an asynchronous tenant() is pending', async () => {
    const balancer = await start();
    let find: (tenant: string) => void = () => undefined;
    const tenant = () => new Promise<string>((resolve) => (find = resolve));
    const app = express();
    const seen: unknown[] = [];
    app.use(aiBalancer(balancer, { guard: { tenant, rpm: 5 } }));
    app.get('/', (req) => void req.ai.chat(HELLO).catch((error: unknown) => seen.push(error)));
    const server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nhost: shop\r\n\r\n');
    await until(() => find.length > 0);
    client.destroy();
    await new Promise((resolve) => setTimeout(resolve, 20));
    find('acme');
    await until(() => seen.length === 1);
    expect(seen).toMatchObject([{ code: 'ERR_AI_ABORTED' }]);
    server.close();
  });
});

function raise(message: string): never {
  throw new Error(message);
}
