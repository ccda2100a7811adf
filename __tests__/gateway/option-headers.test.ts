import express from 'express';
import {
  type AiBalancerError,
  aiBalancer,
  aiGateway,
  type Balancer,
  type ContextHeader,
  createFetch,
  type RequestContext,
} from 'express-ai-balancer';
import { answer, Rig, type RigConfig, silence } from '../failover/upstream';
import { post, TestServer } from '../helpers/express';

const rig = new Rig();
const site = new TestServer();
const BODY = { model: 'm', messages: [{ role: 'user', content: 'Where is my parcel?' }] };

type Allowed = boolean | readonly ContextHeader[];
type Headers = Partial<Record<ContextHeader, string>>;
type Ask = (headers: Headers) => Promise<{ status: number; headers: globalThis.Headers; text: string }>;

/** Everything that takes option headers. */
const DOORS: readonly (readonly [
  name: string,
  open: (balancer: Balancer, allowed: Allowed) => Promise<Ask>,
])[] = [
  [
    'aiGateway()',
    async (balancer, allowHeaders) => {
      const app = express().use('/v1', aiGateway(balancer, { authenticate: false, allowHeaders }));
      const url = await site.listen(app);
      return (headers) => post(`${url}/v1/chat/completions`, headers, BODY);
    },
  ],
  [
    'createFetch()',
    (balancer, allowHeaders) => {
      const ownFetch = createFetch(balancer, { allowHeaders });
      return Promise.resolve(async (headers) => {
        const init = { method: 'POST', body: JSON.stringify(BODY), headers };
        const response = await ownFetch('http://balancer/v1/chat/completions', init);
        return { status: response.status, headers: response.headers, text: await response.text() };
      });
    },
  ],
  [
    'smartRouter()',
    async (balancer, allowHeaders) => {
      const app = express().set('env', 'test').use(express.json());
      app.use(aiBalancer(balancer, { router: { allowHeaders } }));
      app.post('/', (req, res) => {
        const call = req.ai.chat(req.body as typeof BODY).withRoute();
        call.then(
          ({ data, route }) => void res.set('x-ai-endpoint', route.endpoint).json(data),
          (error: unknown) => {
            const { status, code } = error as AiBalancerError;
            res.status(status).json({ error: { code } });
          },
        );
      });
      const url = await site.listen(app);
      return (headers) => post(url, headers, BODY);
    },
  ],
];

const ALL: Required<Headers> = {
  'x-ai-priority': '5',
  'x-ai-type': 'code',
  'x-ai-max-latency-ms': '9000',
  'x-ai-max-cost-per-1k': '0.5',
  'x-ai-min-quality': '0.1',
  'x-ai-session': 's-1',
  'x-ai-timeout-ms': '8000',
  'x-ai-hedge': 'false',
  'x-ai-tags': 'eu, fast',
  'x-ai-fallbacks': 'n',
  'x-ai-tenant': 'acme',
  'x-ai-endpoint': 'b',
};
const HARMLESS = {
  priority: 5,
  type: 'code',
  maxLatencyMs: 9_000,
  maxCostPer1k: 0.5,
  minQuality: 0.1,
  session: 's-1',
};

describe.each(DOORS)('A header with a call option, sent to %s,', (_door, open) => {
  async function start(allowed: Allowed, config: RigConfig = {}, responders = {}) {
    const contexts: RequestContext[] = [];
    const { balancer, upstream } = await rig.start(
      { a: answer('from a'), b: answer('from b'), n: answer('from n'), ...responders },
      {
        hooks: { before: ({ context }) => void contexts.push(context) },
        retry: { maxAttempts: 2, baseDelayMs: 1 },
        ...config,
        each: {
          a: { tags: ['eu', 'fast'], price: { input: 1, output: 1 }, quality: 0.5 },
          b: { tags: ['eu'], price: { input: 1, output: 1 }, quality: 0.5 },
          n: { model: 'n' },
          ...config.each,
        },
      },
    );
    return { ask: await open(balancer, allowed), upstream, contexts };
  }

  it('is used with allowHeaders: true if it is harmless, while the other four headers are ignored', async () => {
    const { ask, contexts } = await start(true);
    const { status, headers } = await ask(ALL);
    expect(status).toBe(200);
    expect(headers.get('x-ai-endpoint')).toBe('a');
    expect(contexts[0]).toMatchObject(HARMLESS);
    expect(contexts[0]).not.toHaveProperty('tags');
    expect(contexts[0]).not.toHaveProperty('tenant');
  });

  it('is used if allowHeaders names it', async () => {
    const { ask, contexts } = await start(Object.keys(ALL) as ContextHeader[]);
    const { 'x-ai-endpoint': _endpoint, ...others } = ALL;
    expect((await ask(others)).headers.get('x-ai-endpoint')).toBe('a');
    expect(contexts[0]).toMatchObject({ ...HARMLESS, tenant: 'acme', tags: ['eu', 'fast'] });
    expect((await ask({ 'x-ai-endpoint': 'b' })).headers.get('x-ai-endpoint')).toBe('b');
  });

  it('is ignored if it is not allowed, even if its value is invalid', async () => {
    for (const allowed of [false, ['x-ai-session']] as const) {
      const { ask, contexts } = await start(allowed);
      expect((await ask({ ...ALL, 'x-ai-priority': '7', 'x-ai-hedge': 'maybe' })).status).toBe(200);
      expect(contexts[0]).toMatchObject({ priority: 3, type: 'chat' });
      expect(contexts[0]?.session).toBe(allowed ? 's-1' : undefined);
    }
  });

  it.each<[ContextHeader, string]>([
    ['x-ai-priority', '7'],
    ['x-ai-priority', ''],
    ['x-ai-type', 'poem'],
    ['x-ai-max-latency-ms', '-5'],
    ['x-ai-max-cost-per-1k', 'NaN'],
    ['x-ai-min-quality', '2'],
    ['x-ai-timeout-ms', '0'],
    ['x-ai-timeout-ms', '1e999'],
    ['x-ai-hedge', 'yes'],
    ['x-ai-tags', 'eu,,fast'],
    ['x-ai-session', 'x'.repeat(513)],
    ['x-ai-tenant', 'x'.repeat(513)],
    ['x-ai-endpoint', ''],
  ])('is rejected with 400 if it is %s: %j, and nothing is sent', async (name, value) => {
    const { ask, upstream } = await start([name]);
    expect((await ask({ [name]: value })).status).toBe(400);
    expect(upstream.requests).toHaveLength(0);
  });

  it('can require tags of the endpoint', async () => {
    const { ask } = await start(['x-ai-tags']);
    expect((await ask({ 'x-ai-tags': 'fast' })).text).toContain('from a');
    expect((await ask({ 'x-ai-tags': 'us' })).status).toBe(404);
  });

  it('can set the deadline', async () => {
    const { ask } = await start(true, {}, { a: silence });
    const { status, text } = await ask({ 'x-ai-timeout-ms': '60' });
    expect(status).toBe(504);
    expect(text).toContain('ERR_AI_DEADLINE');
  });

  it('can set the fallbacks or turn them off', async () => {
    const fail = ({ res }: { res: { writeHead(status: number): { end(): void } } }) =>
      res.writeHead(500).end();
    const config = { fallbacks: { m: ['n'] }, retry: { maxAttempts: 4, baseDelayMs: 1, maxDelayMs: 2 } };
    const { ask } = await start(['x-ai-fallbacks'], config, { a: fail, b: fail });
    expect((await ask({})).text).toContain('from n');
    expect((await ask({ 'x-ai-fallbacks': 'n' })).text).toContain('from n');
    expect((await ask({ 'x-ai-fallbacks': 'false' })).status).toBe(502);
  });

  it('can turn hedging off and on', async () => {
    const config = { hedge: { delayMs: 20, budgetRatio: 1 }, each: { b: { tier: 0 } } };
    const { ask, upstream } = await start(true, config, { a: silence, b: silence });
    for (const [hedge, attempts] of [
      ['false', 1],
      ['true', 2],
    ] as const) {
      const before = upstream.requests.length;
      expect((await ask({ 'x-ai-hedge': hedge, 'x-ai-timeout-ms': '1000' })).status).toBe(504);
      expect(upstream.requests.length - before).toBe(attempts);
    }
  });
});
