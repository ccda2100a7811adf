import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import {
  type AiBalancerError,
  type AiGatewayOptions,
  aiBalancer,
  aiGateway,
  type Balancer,
  type BalancerConfig,
  failoverExecutor,
  type RateLimitGuardOptions,
  rateLimitGuard,
  smartRouter,
} from 'express-ai-balancer';
import type { SimulatedProvider } from 'express-ai-balancer/simulator';
import { EXPRESS_VERSIONS, post, TestServer } from '../helpers/express';
import { endpointAt, HELLO, Rig, until } from '../helpers/provider';

const rig = new Rig();
const site = new TestServer();

/** The deadline for functions of the app that never settle. */
const TOTAL_MS = 150;

type AppFunction = () => never;
const throwing = (reason: unknown) => () => {
  throw reason;
};
const rejecting = (reason?: unknown) =>
  (() =>
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- that is what is tested
    Promise.reject(reason)) as AppFunction;
const hangs = (() => new Promise(() => undefined)) as AppFunction;

/** All of them must end the request: Express takes next(undefined), next('route') and next(0) for success. */
const FAILURES: [string, AppFunction][] = [
  ['throws an Error', throwing(new Error('down'))],
  ['throws undefined', throwing(undefined)],
  ["throws 'route'", throwing('route')],
  ['rejects with an Error', rejecting(new Error('down'))],
  ['rejects without a reason', rejecting()],
  ['rejects with null', rejecting(null)],
  ["rejects with 'route'", rejecting('route')],
  ["rejects with 'router'", rejecting('router')],
  ['rejects with false', rejecting(false)],
  ['rejects with 0', rejecting(0)],
  ["rejects with ''", rejecting('')],
  ['rejects with a string', rejecting('no session')],
  ['rejects with an object', rejecting({ no: 'session' })],
  ['rejects with an object without a prototype', rejecting(Object.create(null))],
  ['rejects with a function', rejecting(() => undefined)],
  ['never settles', hangs],
  ['returns a thenable that rejects', (() => ({ then: (_: unknown, no: () => void) => no() })) as never],
  [
    'returns an object with a throwing then',
    (() =>
      Object.defineProperty({}, 'then', {
        get: () => {
          // eslint-disable-next-line @typescript-eslint/only-throw-error -- that is what is tested
          throw undefined;
        },
      })) as never,
  ],
];

const unhandled: unknown[] = [];
const noteUnhandled = (reason: unknown): void => void unhandled.push(reason);
beforeAll(() => void process.on('unhandledRejection', noteUnhandled));
afterAll(() => void process.off('unhandledRejection', noteUnhandled));
afterEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(unhandled.splice(0)).toEqual([]);
});

describe.each(EXPRESS_VERSIONS)('On Express %s, a function of the app', (_, express) => {
  let provider: SimulatedProvider;
  let balancer: Balancer;

  beforeEach(async () => {
    provider = await rig.provider();
    balancer = createBalancer();
  });

  function createBalancer(config: Partial<BalancerConfig> = {}): Balancer {
    return rig.balancer([endpointAt(provider)], config);
  }

  /** Posts to an app that has the middlewares in front of a handler; `passed` says whether the handler has run. */
  async function request(...middlewares: RequestHandler[]) {
    return requestPath('', ...middlewares);
  }

  async function requestPath(path: string, ...middlewares: RequestHandler[]) {
    const app = express().set('env', 'test');
    const errors: unknown[] = [];
    let passed = false;
    for (const middleware of middlewares) app.use(middleware);
    app.use((_req: Request, res: Response) => {
      passed = true;
      res.send('passed');
    });
    const handler: ErrorRequestHandler = (error: { status?: number } | undefined, _req, res, _next) => {
      errors.push(error);
      res.status(error?.status ?? 500).json({ error: { message: 'The app failed.' } });
    };
    app.use(handler);
    const answer = await post(`${await site.listen(app)}${path}`, {}, HELLO);
    return { ...answer, passed, errors };
  }

  describe.each(FAILURES)('that %s', (failure, fail) => {
    beforeEach(() => {
      if (fail === hangs) balancer = createBalancer({ timeouts: { totalMs: TOTAL_MS } });
    });

    it.each<[string, RateLimitGuardOptions]>([
      ['tenant()', { tenant: fail }],
      ['priority()', { priority: fail }],
      ['skip()', { skip: fail }],
      ['rpm()', { rpm: fail }],
      ['tpm()', { tpm: fail }],
    ])('ends the request with an error if it is %s of rateLimitGuard()', async (_, options) => {
      const { status, passed, errors } = await request(rateLimitGuard(balancer, options));
      expect({ status, passed }).toEqual({ status: fail === hangs ? 504 : 500, passed: false });
      expect(errors).toEqual([expect.any(Object)]);
      expect((errors[0] as Error).stack).toContain('Error');
    });

    it('ends a refused request with an error if it is handler() of rateLimitGuard()', async () => {
      const refuseAll = rateLimitGuard(balancer, { rpm: () => 0, handler: fail });
      const { status, passed } = await request(refuseAll);
      expect({ status, passed }).toEqual({ status: fail === hangs ? 504 : 500, passed: false });
    });

    it('ends the request with an error if it is context() of smartRouter()', async () => {
      const { status, passed } = await request(smartRouter(balancer, { context: fail }));
      expect({ status, passed }).toEqual({ status: fail === hangs ? 504 : 500, passed: false });
    });

    it('ends the request with an error if it is context() of aiBalancer()', async () => {
      const { status, passed } = await request(aiBalancer(balancer, { router: { context: fail } }));
      expect({ status, passed }).toEqual({ status: fail === hangs ? 504 : 500, passed: false });
    });

    it('admits nobody if it is authenticate() of aiGateway()', async () => {
      const gateway = aiGateway(balancer, { authenticate: fail as AiGatewayOptions['authenticate'] });
      const { status, passed } = await requestPath('/chat/completions', gateway);
      const isError = failure.endsWith('an Error');
      expect({ status, passed }).toEqual({
        status: isError ? 500 : fail === hangs ? 504 : 401,
        passed: false,
      });
      expect(provider.stats().seen).toBe(0);
    });

    it.each<[string, RateLimitGuardOptions]>([
      ['tenant()', { tenant: fail }],
      ['priority()', { priority: fail }],
      ['skip()', { skip: fail }],
      ['rpm()', { rpm: fail }],
    ])('makes the call reject with an Error if it is %s of the guard of aiBalancer()', async (_, guard) => {
      const rejections: unknown[] = [];
      const { status } = await request(aiBalancer(balancer, { guard }), (req: Request, res: Response) => {
        req.ai.chat(HELLO).catch((error: unknown) => {
          rejections.push(error);
          res.status(418).end();
        });
      });
      expect(status).toBe(418);
      expect((rejections[0] as Error).stack).toContain('Error');
      expect(provider.stats().seen).toBe(0);
      expect(balancer.stats().endpoints[0]).toMatchObject({ inFlight: 0, failures: 0 });
    });

    it('makes an un-awaited pipe(res) send the error to the client if it is tenant() of the guard', async () => {
      const { status, text } = await request(
        aiBalancer(balancer, { guard: { tenant: fail } }),
        (req: Request, res: Response) =>
          void req.ai
            .chat({ ...HELLO, stream: true }, { timeoutMs: fail === hangs ? 500 : 30_000 })
            .pipe(res),
      );
      // The headers do not wait for a function that hangs: the error is an event then.
      expect(status).toBe(fail === hangs ? 200 : 500);
      if (fail === hangs) expect(text).toContain('ERR_AI_DEADLINE');
      else expect(JSON.parse(text)).toMatchObject({ error: { type: 'server_error' } });
      expect(provider.stats().seen).toBe(0);
    });

    it.each<[string, Partial<BalancerConfig>]>([
      ['classify()', { classify: fail }],
      ['estimateTokens()', { estimateTokens: fail }],
    ])('never lets a gateway request through to the app if it is %s', async (_, config) => {
      const own = createBalancer(config);
      const { passed, status } = await requestPath(
        '/chat/completions',
        aiGateway(own, { authenticate: false }),
      );
      expect(passed).toBe(false);
      expect(status).toBe(500);
    });
  });

  it('that never settles does not delay a call beyond its own deadline', async () => {
    const startedAt = performance.now();
    const { status } = await request(
      aiBalancer(createBalancer({ timeouts: {} }), { guard: { tenant: hangs } }),
      (req: Request, res: Response) => {
        req.ai
          .chat(HELLO, { timeoutMs: 60 })
          .catch((error: unknown) => void res.status((error as AiBalancerError).status).end());
      },
    );
    expect(status).toBe(504);
    expect(performance.now() - startedAt).toBeLessThan(20_000);
  });

  it('that never settles does not keep the call of a disconnected client waiting', async () => {
    const codes: string[] = [];
    let isAsked = false;
    const app = express().set('env', 'test');
    app.use(aiBalancer(balancer, { guard: { tenant: hangs } }));
    app.use((req: Request) => {
      isAsked = true;
      req.ai
        .chat(HELLO, { timeoutMs: 60_000 })
        .catch((error: unknown) => void codes.push((error as AiBalancerError).code));
    });
    const leaving = new AbortController();
    const answer = fetch(await site.listen(app), { method: 'POST', signal: leaving.signal });
    answer.catch(() => undefined);
    await until(() => isAsked);
    leaving.abort();
    await until(() => codes.length === 1);
    expect(codes).toEqual(['ERR_AI_ABORTED']);
  });

  it.each([
    ['null', null],
    ['an empty string', ''],
    ['undefined', undefined],
  ])('that returns %s as the tenant sets no tenant', async (_, tenant) => {
    balancer = createBalancer({ timeouts: {} });
    const middlewares = [
      rateLimitGuard(balancer, { tenant: () => tenant, rpm: 100 }),
      rateLimitGuard(balancer, { tenant: () => Promise.resolve(tenant), rpm: 100 }),
      smartRouter(balancer, { context: () => ({ tenant }) }),
      failoverExecutor(balancer),
    ];
    const { json } = await request(
      ...middlewares,
      (req: Request, res: Response) => void res.json(req.ai.context),
    );
    expect(json).toEqual({ requestId: expect.any(String) as string, type: 'chat', priority: 3 });
    const gateway = aiGateway(balancer, { authenticate: () => ({ tenant }) });
    const app = express().use(gateway);
    expect((await post(`${await site.listen(app)}/chat/completions`, {}, HELLO)).status).toBe(200);
  });

  it('that returns a context of null adds nothing to the context', async () => {
    const { json } = await request(
      smartRouter(balancer, { priority: 2, context: () => null }),
      (req: Request, res: Response) => void res.json(req.ai.context),
    );
    expect(json).toMatchObject({ priority: 2 });
  });

  it('that resolves to a priority or tenant sets it for calls that were already made', async () => {
    balancer = createBalancer({ timeouts: {} });
    const guard = { tenant: () => Promise.resolve('acme'), priority: () => Promise.resolve(5 as const) };
    let contexts: unknown[] = [];
    const { status } = await request(aiBalancer(balancer, { guard }), async (req: Request, res: Response) => {
      const reports = await Promise.all([req.ai.chat(HELLO), req.ai.chat(HELLO, { priority: 1 })]);
      contexts = [reports.length, req.ai.context];
      res.end();
    });
    expect(status).toBe(200);
    expect(contexts).toEqual([2, expect.objectContaining({ tenant: 'acme', priority: 5 })]);
  });

  it("such as skip() exempts a request from the guard's limits only by returning true", async () => {
    const results: number[] = [];
    const skipped = [true, Promise.resolve(true), false, 'yes', 1, undefined];
    for (const skip of skipped) {
      const guard = { rpm: () => 0, skip: () => skip as boolean };
      results.push((await request(rateLimitGuard(balancer, guard))).status);
    }
    expect(results).toEqual([200, 200, 429, 429, 429, 429]);
  });

  it('such as handler() can respond to refused requests, and never admits one by calling next()', async () => {
    const refuse = (handler: RateLimitGuardOptions['handler']) =>
      request(rateLimitGuard(balancer, { rpm: () => 0, handler }));
    const own = await refuse((_req, res, _next, refusal) => res.status(420).send(refusal.code));
    expect(own).toMatchObject({ status: 420, text: 'ERR_AI_TENANT_LIMIT', passed: false });
    for (const reason of [undefined, 'route', 'router', null, 0]) {
      const { passed, status } = await refuse((_req, _res, next) => next(reason));
      expect({ passed, status }).toEqual({ passed: false, status: reason === undefined ? 429 : 500 });
    }
  });
});
