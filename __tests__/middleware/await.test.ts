import type { Request, Response } from 'express';
import { aiBalancer, type Balancer } from 'express-ai-balancer';
import type { SimulatedProvider } from 'express-ai-balancer/simulator';
import { EXPRESS_VERSIONS, post, TestServer } from '../helpers/express';
import { endpointAt, HELLO, Rig, until } from '../helpers/provider';

const rig = new Rig();
const site = new TestServer();
const STREAM = { ...HELLO, stream: true as const };

/** Calls a method that the types don't have, as a JavaScript app may. */
function callUntyped(target: object, method: string, ...args: unknown[]): unknown {
  return (target as Record<string, (...args: unknown[]) => unknown>)[method]!(...args);
}

const MISTAKES: [mistake: string, handler: (req: Request, res: Response) => unknown, message: RegExp][] = [
  [
    'res.json(call) without await',
    (req, res) => res.json(req.ai.chat(HELLO)),
    /This is a call, not its answer: await it first/,
  ],
  [
    'res.send(call) without await',
    (req, res) => res.send(req.ai.embeddings({ model: 'gpt-4o', input: 'x' })),
    /This is a call, not its answer: await it first/,
  ],
  [
    'JSON.stringify of an object with a call in it',
    (req) => JSON.stringify({ answer: req.ai.chat(HELLO) }),
    /This is a call, not its answer: await it first/,
  ],
  [
    'for await over a call without await',
    async (req) => {
      for await (const _ of req.ai.chat(STREAM) as unknown as AsyncIterable<unknown>);
    },
    /This is a call, not its stream: await it first, as in for await \(const chunk of await/,
  ],
  [
    'pipe(res) on an awaited call',
    async (req, res) => callUntyped(await req.ai.chat(STREAM), 'pipe', res),
    /This stream was awaited: call pipe\(\) on the call itself/,
  ],
  [
    'withRoute() on an awaited call',
    async (req) => callUntyped(await req.ai.chat(STREAM), 'withRoute'),
    /This stream was awaited: call withRoute\(\) on the call itself/,
  ],
  [
    'res.json(stream) of an awaited stream',
    async (req, res) => res.json(await req.ai.chat(STREAM)),
    /A stream has no JSON: read it with for await/,
  ],
  [
    'pipe(res) without stream: true',
    (req, res) => req.ai.chat(HELLO).pipe(res),
    /pipe\(\) needs stream: true/,
  ],
];

describe.each(EXPRESS_VERSIONS)('A missing or superfluous await, on Express %s,', (_, express) => {
  let provider: SimulatedProvider;
  let balancer: Balancer;

  beforeEach(async () => {
    provider = await rig.provider({ timeScale: 0.05 });
    balancer = rig.balancer([endpointAt(provider)]);
  });

  it.each(MISTAKES)('causes an error that names the mistake: %s', async (mistake, handler, message) => {
    const app = express().set('env', 'test');
    app.use(aiBalancer(balancer));
    app.post('/', (req, res, next) => {
      Promise.resolve()
        .then(() => handler(req, res))
        .catch(next);
    });
    app.use(((error: Error, _req: Request, res: Response, _next: unknown) => {
      res.status(500).send(error.message);
    }) as never);
    const answer = await post(await site.listen(app));
    expect(answer.text).toMatch(message);
    // A stream that is logged may still be read: readerStallMs ends it.
    if (mistake.startsWith('res.json(stream)')) return;
    await until(() => balancer.stats().endpoints[0]?.inFlight === 0);
  });
});
