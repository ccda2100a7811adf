import type { Request, Response } from 'express';
import { type Balancer, failoverExecutor, type SmartRouterOptions, smartRouter } from 'express-ai-balancer';
import type { SimulatedProvider } from 'express-ai-balancer/simulator';
import { EXPRESS_VERSIONS, post, TestServer } from '../helpers/express';
import { endpointAt, HELLO, Rig } from '../helpers/provider';

const rig = new Rig();
const site = new TestServer();
const context = (req: Request, res: Response) => void res.json(req.ai.context);

describe.each(EXPRESS_VERSIONS)('smartRouter() on Express %s', (_, express) => {
  let provider: SimulatedProvider;
  let balancer: Balancer;

  beforeEach(async () => {
    provider = await rig.provider();
    balancer = rig.balancer([endpointAt(provider, { tags: ['eu'] })]);
  });

  async function open(...routers: SmartRouterOptions[]): Promise<string> {
    const app = express().set('env', 'test');
    for (const options of routers) app.use(smartRouter(balancer, options));
    app.post('/', context);
    return site.listen(app);
  }

  it("starts with a default context and uses the client's request id if it is safe to log", async () => {
    const url = await open({});
    expect((await post(url)).json).toEqual({
      requestId: expect.stringMatching(/^[\da-f-]{36}$/) as string,
      type: 'chat',
      priority: 3,
    });
    expect((await post(url, { 'x-request-id': 'shop-42' })).json).toMatchObject({ requestId: 'shop-42' });
    for (const id of ['a b', 'x'.repeat(200), '{"a":1}']) {
      expect((await post(url, { 'x-request-id': id })).json).not.toMatchObject({ requestId: id });
    }
  });

  it('overrides its options with context(req), and both with allowed headers', async () => {
    const url = await open({
      priority: 1,
      minQuality: 0.5,
      tenant: 'fixed',
      maxLatencyMs: 1_000,
      context: (req) => ({ priority: 2, tenant: String(req.headers['x-user']), maxLatencyMs: 2_000 }),
      allowHeaders: ['x-ai-priority'],
    });
    const headers = { 'x-user': 'ann', 'x-ai-priority': '4', 'x-ai-max-latency-ms': '3' };
    expect((await post(url, headers)).json).toMatchObject({
      priority: 4,
      tenant: 'ann',
      maxLatencyMs: 2_000,
      minQuality: 0.5,
    });
  });

  it("is overridden by a call's own options", async () => {
    const app = express().set('env', 'test');
    app.use(smartRouter(balancer, { tags: ['us'], priority: 2 }), failoverExecutor(balancer));
    app.post('/own', (req, res, next) => {
      req.ai.chat(HELLO, { tags: ['eu'] }).then((answer) => void res.json(answer), next);
    });
    app.post('/router', (req, res, next) => {
      // An undefined option counts as absent.
      req.ai.chat(HELLO, { tags: undefined }).then((answer) => void res.json(answer), next);
    });
    const url = await site.listen(app);
    expect((await post(`${url}/own`)).status).toBe(200);
    expect((await post(`${url}/router`)).status).toBe(404);
  });

  it('can change the context on a single route', async () => {
    const app = express().set('env', 'test');
    app.use(smartRouter(balancer, { priority: 2, tenant: 'shop' }));
    app.post('/code', smartRouter(balancer, { type: 'code', priority: 5 }), context);
    app.post('/', context);
    const url = await site.listen(app);
    expect((await post(`${url}/code`)).json).toMatchObject({ type: 'code', priority: 5, tenant: 'shop' });
    expect((await post(url)).json).toMatchObject({ type: 'chat', priority: 2, tenant: 'shop' });
  });

  it('ignores headers that are not in allowHeaders', async () => {
    const headers = {
      'x-ai-priority': '5',
      'x-ai-type': 'code',
      'x-ai-max-latency-ms': '100',
      'x-ai-max-cost-per-1k': '0.5',
    };
    const none = (await post(await open({}), headers)).json;
    expect(none).toMatchObject({ priority: 3, type: 'chat' });
    expect(none).not.toHaveProperty('maxLatencyMs');
    expect((await post(await open({ allowHeaders: true }), headers)).json).toMatchObject({
      priority: 5,
      type: 'code',
      maxLatencyMs: 100,
      maxCostPer1k: 0.5,
    });
  });

  it.each([
    ['x-ai-priority', '7'],
    ['x-ai-priority', '2.5'],
    ['x-ai-priority', ''],
    ['x-ai-priority', 'high'],
    ['x-ai-type', 'poem'],
    ['x-ai-max-latency-ms', '-5'],
    ['x-ai-max-latency-ms', '1e999'],
    ['x-ai-max-cost-per-1k', 'NaN'],
  ])('responds with 400 to the header %s: %s', async (name, value) => {
    const { status } = await post(await open({ allowHeaders: true }), { [name]: value });
    expect(status).toBe(400);
    expect(provider.stats().seen).toBe(0);
  });

  it('waits for an asynchronous context(req) and passes its error to next()', async () => {
    const url = await open({ context: () => Promise.resolve({ tenant: 'async' }) });
    expect((await post(url)).json).toMatchObject({ tenant: 'async' });
    const failures: SmartRouterOptions['context'][] = [
      () => Promise.reject(new Error('no database')),
      () => {
        throw new Error('no session');
      },
    ];
    for (const failing of failures) expect((await post(await open({ context: failing }))).status).toBe(500);
    expect((await post(await open({ context: () => ({ priority: 9 as never }) }))).status).toBe(400);
  });

  it('treats undefined as absent', async () => {
    const url = await open(
      { priority: 2, tenant: 'shop' },
      { context: () => ({ tenant: undefined, priority: undefined }) },
    );
    expect((await post(url)).json).toMatchObject({ priority: 2, tenant: 'shop' });
  });
});
