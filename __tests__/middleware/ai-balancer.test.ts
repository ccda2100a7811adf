import type { ErrorRequestHandler, NextFunction, Request, RequestHandler, Response } from 'express';
import { aiBalancer, type Balancer, failoverExecutor, smartRouter } from 'express-ai-balancer';
import type { SimulatedProvider } from 'express-ai-balancer/simulator';
import { EXPRESS_VERSIONS, post, TestServer } from '../helpers/express';
import { endpointAt, HELLO, Rig, until } from '../helpers/provider';

const EMBED = 'text-embedding-3-small';
const rig = new Rig();
const site = new TestServer();

/** Express 4 does not handle a rejected promise. */
const handled =
  (handler: (req: Request, res: Response) => Promise<unknown>): RequestHandler =>
  (req: Request, res: Response, next: NextFunction) => {
    handler(req, res).catch(next);
  };

const codeOf = (error: unknown): string => (error as { code: string }).code;

describe.each(EXPRESS_VERSIONS)('On Express %s,', (_, express) => {
  let provider: SimulatedProvider;
  let balancer: Balancer;

  beforeEach(async () => {
    provider = await rig.provider({
      reply: () => 'Tomorrow, before noon.',
      models: { 'gpt-4o': {}, [EMBED]: {} },
    });
    balancer = rig.balancer([endpointAt(provider), endpointAt(provider, { name: 'vectors', model: EMBED })]);
  });

  const quiet = (app: ReturnType<typeof express>) => app.set('env', 'test');

  it('aiBalancer() adds req.ai to every request', async () => {
    const app = quiet(express());
    app.use(express.json());
    const ai = aiBalancer({ endpoints: [endpointAt(provider)] });
    app.use(ai);
    app.post(
      '/helpdesk',
      handled(async (req, res) => {
        const { question } = req.body as { question: string };
        const answer = await req.ai.chat({
          model: 'gpt-4o',
          messages: [{ role: 'user', content: question }],
        });
        res.json({ answer: answer.choices[0]?.message.content });
      }),
    );
    const { json } = await post(`${await site.listen(app)}/helpdesk`, {}, { question: 'When?' });
    expect(json).toEqual({ answer: 'Tomorrow, before noon.' });
    expect(ai.balancer.stats().calls.ok).toBe(1);
    await ai.balancer.close();
  });

  it('smartRouter() and failoverExecutor() mounted separately add req.ai too', async () => {
    const app = quiet(express());
    app.use(smartRouter(balancer, { priority: 2 }));
    app.use(failoverExecutor(balancer));
    app.post(
      '/',
      handled(async (req, res) => {
        const { route } = await req.ai.chat(HELLO).withRoute();
        res.json({ endpoint: route.endpoint, context: req.ai.context, same: req.ai.balancer === balancer });
      }),
    );
    const { json } = await post(await site.listen(app));
    expect(json).toMatchObject({ endpoint: 'main', context: { priority: 2, type: 'chat' }, same: true });
  });

  it('req.ai serves embeddings and streams', async () => {
    const app = quiet(express());
    app.use(aiBalancer(balancer));
    app.post(
      '/embeddings',
      handled(async (req, res) => res.json(await req.ai.embeddings({ model: EMBED, input: ['a', 'b'] }))),
    );
    app.post(
      '/stream',
      handled((req, res) => req.ai.chat({ ...HELLO, stream: true }).pipe(res)),
    );
    const url = await site.listen(app);
    expect((await post(`${url}/embeddings`)).json).toMatchObject({
      object: 'list',
      data: [{ index: 0 }, { index: 1 }],
    });
    const { headers, text } = await post(`${url}/stream`);
    expect(headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(text).toMatch(/data: \[DONE\]\n\n$/);
  });

  it('a call without failoverExecutor() fails with an error that says what to mount', async () => {
    const app = quiet(express());
    app.use(smartRouter(balancer));
    app.post(
      '/',
      handled(async (req, res) => {
        const errors = [];
        for (const call of [
          req.ai.chat(HELLO),
          req.ai.chat({ ...HELLO, stream: true }),
          req.ai.embeddings({ model: EMBED, input: 'a' }),
          req.ai.chat(HELLO).withRoute(),
        ]) {
          errors.push(await call.then(String, (error: unknown) => `${codeOf(error)} ${String(error)}`));
        }
        res.json(errors);
      }),
    );
    app.post('/pipe', (req, res) => void req.ai.chat({ ...HELLO, stream: true }).pipe(res));
    const url = await site.listen(app);
    expect(await post(`${url}/pipe`)).toMatchObject({
      status: 500,
      json: { error: { code: 'ERR_AI_CONFIG' } },
    });
    const { json } = await post(url);
    expect(json).toHaveLength(4);
    for (const error of json as string[]) expect(error).toMatch(/^ERR_AI_CONFIG .*mount failoverExecutor/);
    expect(provider.stats().seen).toBe(0);
  });

  it('Express responds to an error passed to next() with its status and Retry-After', async () => {
    const app = quiet(express());
    app.use(aiBalancer(balancer));
    app.post(
      '/bad',
      handled((req) => req.ai.chat({ messages: [] })),
    );
    app.post(
      '/model',
      handled((req) => req.ai.chat({ ...HELLO, model: 'gpt-9' })),
    );
    app.post(
      '/limit',
      handled((req) => req.ai.chat(HELLO, { timeoutMs: 3_000 })),
    );
    const url = await site.listen(app);
    expect((await post(`${url}/bad`)).status).toBe(400);
    expect((await post(`${url}/model`)).status).toBe(404);
    provider.fault({ kind: 'error', status: 429, headers: { 'retry-after': '20' }, afterMs: 0, calls: 1 });
    const limited = await post(`${url}/limit`);
    expect(limited.status).toBe(429);
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThanOrEqual(20);
    expect(Number(limited.headers.get('retry-after'))).toBeLessThanOrEqual(23);
    const coolingDown = await post(`${url}/limit`);
    expect(coolingDown.status).toBe(503);
    expect(Number(coolingDown.headers.get('retry-after'))).toBeGreaterThan(10);
  });

  it('a request that makes no call is not affected', async () => {
    const app = quiet(express());
    app.use(aiBalancer(balancer));
    app.get('/', (_req, res) => void res.send('hello'));
    const url = await site.listen(app);
    expect(await (await fetch(url)).text()).toBe('hello');
    expect(balancer.stats().calls).toEqual({ ok: 0, failed: 0, shed: 0 });
  });

  it("the app's own error handler receives the error unchanged", async () => {
    const app = quiet(express());
    app.use(aiBalancer(balancer));
    app.post(
      '/',
      handled((req) => req.ai.chat(HELLO, { priority: 7 as never })),
    );
    const handler: ErrorRequestHandler = (error: { code: string; param: string }, _req, res, _next) => {
      res.status(418).json({ code: error.code, param: error.param });
    };
    app.use(handler);
    expect(await post(await site.listen(app))).toMatchObject({
      status: 418,
      json: { code: 'ERR_AI_BAD_REQUEST', param: 'priority' },
    });
  });

  it('a client that disconnects aborts the upstream call, whose reservation is settled', async () => {
    const limited = rig.balancer([
      endpointAt(provider, { rpm: 600, tpm: 60_000 }),
      endpointAt(provider, { name: 'vectors', model: EMBED }),
    ]);
    const full = limited.stats().endpoints[0]!.tokensLeft!;
    provider.fault({ kind: 'silence' });
    const app = quiet(express());
    app.use(aiBalancer(limited));
    const codes: string[] = [];
    app.post('/', (req, res) => {
      const calls = [
        req.ai.chat({ ...HELLO, max_tokens: 4_000 }),
        req.ai.embeddings({ model: EMBED, input: 'a' }),
      ];
      for (const call of calls) call.catch((error: unknown) => codes.push(codeOf(error)));
      req.ai
        .chat({ ...HELLO, stream: true })
        .pipe(res)
        .catch(() => codes.push('pipe rejected'));
    });
    const leaving = new AbortController();
    const answer = fetch(await site.listen(app), { method: 'POST', signal: leaving.signal });
    answer.catch(() => undefined);
    await until(() => provider.stats().inFlight === 3);
    expect(limited.stats().endpoints[0]!.tokensLeft).toBeLessThan(full - 4_000);
    leaving.abort();
    await until(() => provider.stats().inFlight === 0);
    await until(() => codes.length === 2);
    expect(codes).toEqual(['ERR_AI_ABORTED', 'ERR_AI_ABORTED']);
    // The prompts had been sent and stay reserved; the outputs are given back.
    expect(limited.stats().endpoints[0]!).toMatchObject({ inFlight: 0, state: 'closed', failures: 0 });
    expect(limited.stats().endpoints[0]!.tokensLeft).toBeGreaterThan(full - 500);
  });

  it('a call made after the client disconnected sends nothing', async () => {
    const app = quiet(express());
    app.use(aiBalancer(balancer));
    const codes: string[] = [];
    let entered = false;
    app.post('/', (req, res) => {
      entered = true;
      res.once('close', () => {
        req.ai.chat(HELLO).catch((error: unknown) => codes.push(codeOf(error)));
      });
    });
    const leaving = new AbortController();
    const answer = fetch(await site.listen(app), { method: 'POST', signal: leaving.signal });
    answer.catch(() => undefined);
    await until(() => entered);
    leaving.abort();
    await until(() => codes.length === 1);
    expect(codes).toEqual(['ERR_AI_ABORTED']);
    expect(provider.stats().seen).toBe(0);
  });

  it('a call made after the response was sent is not aborted', async () => {
    const app = quiet(express());
    app.use(aiBalancer(balancer));
    const late: string[] = [];
    app.post('/', (req, res) => {
      res.once('close', () => {
        req.ai.chat(HELLO).then(
          () => late.push('answered'),
          (error: unknown) => late.push(codeOf(error)),
        );
      });
      res.status(202).end();
    });
    expect((await post(await site.listen(app))).status).toBe(202);
    await until(() => late.length === 1);
    expect(late).toEqual(['answered']);
  });

  it('req.ai belongs to the balancer that was mounted last', async () => {
    const other = rig.balancer([endpointAt(provider, { name: 'other' })]);
    const app = quiet(express());
    app.use(aiBalancer(balancer));
    const endpoint = handled(async (req, res) =>
      res.json((await req.ai.chat(HELLO).withRoute()).route.endpoint),
    );
    app.post('/main', endpoint);
    app.post('/other', aiBalancer(other), endpoint);
    const url = await site.listen(app);
    expect((await post(`${url}/main`)).json).toBe('main');
    expect((await post(`${url}/other`)).json).toBe('other');
  });

  it("the executor's options are defaults that a call can override", async () => {
    const slow = await rig.provider();
    slow.fault({ kind: 'silence' });
    const own = rig.balancer([endpointAt(slow)]);
    const app = quiet(express());
    app.use(aiBalancer(own, { executor: { timeoutMs: 50 } }));
    app.post(
      '/default',
      handled((req) => req.ai.chat(HELLO)),
    );
    app.post(
      '/own',
      handled((req) => req.ai.chat(HELLO, { timeoutMs: 80 })),
    );
    app.post(
      '/undefined',
      handled((req) => req.ai.chat(HELLO, { timeoutMs: undefined })),
    );
    const url = await site.listen(app);
    for (const [path, least] of [
      ['default', 45],
      ['own', 75],
      ['undefined', 45],
    ] as const) {
      const startedAt = performance.now();
      expect((await post(`${url}/${path}`)).status).toBe(504);
      expect(performance.now() - startedAt).toBeGreaterThan(least);
      expect(performance.now() - startedAt).toBeLessThan(20_000);
    }
    expect(() => failoverExecutor(own, { timeoutMs: -1 })).toThrow(/timeoutMs/);
  });

  it("the app's classify() receives the body and the request", async () => {
    const seen: unknown[] = [];
    const own = rig.balancer([endpointAt(provider)], {
      classify: (body, req) => {
        seen.push([(body as typeof HELLO).messages, (req as Request | undefined)?.path]);
        return 'analysis';
      },
    });
    const app = quiet(express());
    app.use(aiBalancer(own));
    app.post(
      '/report',
      handled(async (req, res) => res.json(await req.ai.chat(HELLO))),
    );
    expect((await post(`${await site.listen(app)}/report`)).status).toBe(200);
    await own.chat(HELLO);
    expect(seen).toEqual([
      [HELLO.messages, '/report'],
      [HELLO.messages, undefined],
    ]);
  });

  it('a call with invalid options is rejected and not sent', async () => {
    const app = quiet(express());
    app.use(aiBalancer(balancer));
    app.post(
      '/',
      handled(async (req, res) => {
        const chat = req.ai.chat as (body: unknown, options?: unknown) => Promise<unknown>;
        const params = [];
        for (const options of [null, 'fast', [], { nonsense: 1 }]) {
          params.push(
            await chat(HELLO, options).catch((error: unknown) => (error as { param: string }).param),
          );
        }
        res.json(params);
      }),
    );
    expect((await post(await site.listen(app))).json).toEqual(['options', 'options', 'options', 'nonsense']);
    expect(provider.stats().seen).toBe(0);
  });
});
