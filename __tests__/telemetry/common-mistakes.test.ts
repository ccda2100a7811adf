/**
 * What a new user reads after an ordinary mistake: the console, and the answer of the app. Each must say what happened, at
 * which endpoint or option, why, and what to do. Neither a key nor a prompt is printed.
 */
import { join } from 'node:path';
import { format } from 'node:util';
import express, { type Express, type Request, type Response } from 'express';
import { aiBalancer, type Balancer, openai } from 'express-ai-balancer';
import { post, TestServer } from '../helpers/express';
import { until } from '../helpers/provider';
import { runFixture } from '../helpers/run-fixture';
import { GOOD_KEY, OpenAILike, SPENT_KEY } from './fixtures/openai-errors';

const PROMPT = 'Where is my secret parcel?';
/** Nothing listens on the port of the discard service. */
const NOBODY = 'http://127.0.0.1:9';

const site = new TestServer();
const upstream = new OpenAILike();
let balancers: Balancer[] = [];
let printed: string[] = [];

beforeEach(() => {
  printed = [];
  for (const method of ['log', 'warn', 'error'] as const)
    jest.spyOn(console, method).mockImplementation((...args) => void printed.push(format(...args)));
});

afterEach(async () => {
  jest.restoreAllMocks();
  await Promise.all(balancers.map((balancer) => balancer.close({ graceMs: 0 })));
  balancers = [];
  await upstream.close();
});

/** The middleware, from JavaScript without types. */
function mount(config: unknown, options?: object): ReturnType<typeof aiBalancer> {
  const middleware = aiBalancer(config as never, options);
  balancers.push(middleware.balancer);
  return middleware;
}

/** A configuration with one endpoint. */
function one(endpoint: object, more: object = {}): object {
  const main = { name: 'main', model: 'gpt-4o-mini', apiKey: GOOD_KEY };
  return { endpoints: [{ ...main, ...endpoint }], ...more };
}

function ask(req: Request, more: object = {}) {
  const { question } = req.body as { question: string };
  return req.ai.chat({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: question }], ...more });
}

const handle = async (req: Request, res: Response): Promise<unknown> => res.json(await ask(req));

async function answerOf(app: Express): Promise<{ status: number; text: string }> {
  // Express prints errors, and shows them to the client, except in production.
  const url = await site.listen(app.set('env', 'development'));
  const { status, text } = await post(url, {}, { question: PROMPT });
  return {
    status,
    text: text
      .replaceAll('&#39;', "'")
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&quot;', '"'),
  };
}

/** Express prints an error after it has answered. */
async function expectPrinted(...lines: readonly RegExp[]): Promise<void> {
  await until(() => lines.every((line) => line.test(printed.join('\n'))), 5_000).catch(() => undefined);
  for (const line of lines) expect(printed.join('\n')).toMatch(line);
}

function expectNothingSecret(...texts: string[]): void {
  for (const text of texts) expect(text).not.toMatch(/sk-|secret parcel|hunter2/);
}

describe('A mistake in the configuration is reported at start-up:', () => {
  it.each<[mistake: string, config: unknown, message: string]>([
    ['no endpoints', { endpoints: [] }, 'endpoints: expected at least one endpoint, got an empty array'],
    ['no configuration', undefined, 'config: expected an object, got undefined'],
    [
      'an option that is misspelt',
      { endpoint: [] },
      "endpoint: expected a known option (did you mean 'endpoints'?), got an unknown option (an empty array)",
    ],
    [
      'an option of an endpoint that is misspelt',
      one({ baseUrl: NOBODY }),
      "endpoints[0].baseUrl: expected a known option (did you mean 'baseURL'?), got an unknown option (a string)",
    ],
    [
      'a string in place of a number',
      one({ rpm: '60' }),
      'endpoints[0].rpm: expected a finite number above 0, got "60"',
    ],
    [
      'a base URL that ends in /chat/completions',
      one({ baseURL: `${NOBODY}/v1/chat/completions` }),
      'endpoints[0].baseURL: expected the base URL alone, such as https://api.example.com/v1: the path of the operation is appended to it, got "http://127.0.0.1:9/v1/chat/completions"',
    ],
    [
      'a base URL without http://',
      one({ baseURL: '127.0.0.1:8000/v1' }),
      'endpoints[0].baseURL: expected an http or https URL without user, password, query or fragment, got "127.0.0.1:8000/v1"',
    ],
    [
      'an environment variable that is empty, for a base URL',
      one({ baseURL: '' }),
      'endpoints[0].baseURL: expected an http or https URL (is the environment variable set?), got an empty string',
    ],
    [
      'an environment variable that is not set, at a provider that needs a key',
      one({ apiKey: undefined }),
      'endpoints[0].apiKey: expected a key (is the environment variable set?), got undefined',
    ],
    [
      'an environment variable that is empty',
      one({ apiKey: '' }),
      "endpoints[0].apiKey: expected a key of at least 1 character without white space or 'Bearer', or a function that returns one, got an empty string",
    ],
    [
      'an environment variable that is not set, in a template',
      one({ apiKey: String(undefined) }),
      "endpoints[0].apiKey: expected a key, not the word 'undefined' or 'null' (is the environment variable set?), got a string (not shown)",
    ],
    [
      'a key with Bearer',
      one({ apiKey: `Bearer ${GOOD_KEY}` }),
      "endpoints[0].apiKey: expected a key of at least 1 character without white space or 'Bearer', or a function that returns one, got a string (not shown)",
    ],
    [
      'a provider that is misspelt',
      one({ provider: 'opneai' }),
      'endpoints[0].provider: expected a provider that has a dialect (did you mean \'openai\'?), got "opneai"',
    ],
    [
      'a preset that is not spread',
      { endpoints: [openai({ apiKey: GOOD_KEY })] },
      'endpoints[0]: expected an object; spread the array that a preset returns, as in [...openai({ apiKey })], got an array of 6',
    ],
    [
      'a proxy as a URL',
      one({}, { http: { proxy: 'http://user:hunter2@10.0.0.9:3128' } }),
      "http.proxy: expected false, 'env' or an object { host, port, protocol, auth } such as { protocol: 'http', host: '10.0.0.9', port: 3128 }, got a string (not shown)",
    ],
    [
      'a cluster as a URL',
      one({}, { cluster: 'redis://:hunter2@10.0.0.9' }),
      "cluster: expected an object such as { redis: 'redis://localhost:6379' }, got a string (not shown)",
    ],
  ])('%s', (_mistake, config, message) => {
    const error = thrownBy(() => mount(config));
    expect(error).toMatch(/^AiBalancerError: The configuration has /);
    expect(error.split('\n')).toContain(`  ${message}`);
    expectNothingSecret(error);
  });

  it('a misspelt option of the middleware', () => {
    expect(thrownBy(() => mount(one({}), { gaurd: {} }))).toContain(
      "gaurd: expected a known option (did you mean 'guard'?)",
    );
  });

  it('a preset without a key', () => {
    expect(thrownBy(() => openai({ apiKey: undefined }))).toContain(
      'openai().apiKey: expected a key or a function that returns one, got undefined: is the environment variable set?',
    );
  });

  it('a model that is misspelt', () => {
    mount(one({ model: 'gpt-4o-minni' }));
    expect(printed).toEqual([
      expect.stringContaining(
        "model 'gpt-4o-minni' is not in the catalogue (did you mean 'gpt-4o-mini'?): it has no price, so budgets don't count its calls, and calls with maxCostPer1k don't use it; neutral values",
      ),
    ]);
  });

  it('a model that is unknown, without a guess at another version or size', () => {
    mount(one({ model: 'llama-3.1-8b' }));
    expect(printed).toEqual([
      expect.stringContaining("model 'llama-3.1-8b' is not in the catalogue: it has no price"),
    ]);
  });

  it('a model that is unknown, but has a price', () => {
    mount(one({ model: 'llama-3.1-8b', price: { input: 1, output: 2 } }));
    expect(printed).toEqual([
      expect.stringContaining("model 'llama-3.1-8b' is not in the catalogue: neutral"),
    ]);
  });
});

describe('Budgets that a restart forgets print a line:', () => {
  const LINE = 'express-ai-balancer: budgets are kept in this process: a restart begins them at 0 again';
  const store = { update: () => Promise.resolve() };

  it.each<[where: string, config: object, isPrinted: boolean]>([
    ['over everything', one({}, { budgets: { usdPerDay: 5 } }), true],
    ['of each tenant', one({}, { budgets: { perTenant: { usdPerMonth: () => 5 } } }), true],
    ['of an endpoint', one({ usdPerMonth: 5 }), true],
    ['of a quota group', one({ quotaGroup: 'g' }, { quotaGroups: { g: { usdPerDay: 5 } } }), true],
    ['but not those per hour', one({ usdPerHour: 5 }, { budgets: { usdPerHour: 5 } }), false],
    ['but not those in a store', one({}, { budgets: { usdPerDay: 5, store } }), false],
    ['but not without a logger', one({}, { budgets: { usdPerDay: 5 }, logger: false }), false],
  ])('%s', (_where, config, isPrinted) => {
    mount(config);
    expect(printed).toEqual(isPrinted ? [expect.stringContaining(LINE)] : []);
  });

  it('but not those in Redis', () => {
    mount(one({}, { budgets: { usdPerDay: 5 }, cluster: { redis: 'redis://127.0.0.1:9' } }));
    expect(printed.join('\n')).not.toContain('budgets');
  });
});

interface Mistake {
  /** The configuration; http and https are upstreams that answer as OpenAI does. Default: a correct one. */
  readonly config?: (urls: { http: string; https: string }) => object;
  readonly handler?: (req: Request, res: Response) => unknown;
  /** Every one of them is printed. */
  readonly printed: readonly RegExp[];
  readonly status: number;
  /** The answer of Express in development. */
  readonly answer: RegExp;
}

const CALLS: Record<string, Mistake> = {
  'a wrong port': {
    config: () => one({ baseURL: `${NOBODY}/v1` }),
    printed: [
      /endpoint 'main' at http:\/\/127\.0\.0\.1:9 has never answered: connection \(ECONNREFUSED: .*\); nothing accepts connections there: is the server running, and is the port right\?/,
    ],
    status: 502,
    answer: /main: connection \(ECONNREFUSED: connect ECONNREFUSED 127\.0\.0\.1:9\)/,
  },
  'a host name that does not exist': {
    config: () => one({ baseURL: 'http://api.opnai.invalid/v1' }),
    printed: [
      /endpoint 'main' at http:\/\/api\.opnai\.invalid has never answered: connection \((ENOTFOUND|EAI_AGAIN): .*\); the host name does not resolve/,
    ],
    status: 502,
    answer: /main: connection \((ENOTFOUND|EAI_AGAIN): .*api\.opnai\.invalid\)/,
  },
  'a self-signed certificate': {
    config: ({ https }) => one({ baseURL: `${https}/v1` }),
    printed: [
      /endpoint 'main' at https:\/\/localhost:\d+ has never answered: connection \(DEPTH_ZERO_SELF_SIGNED_CERT: .*\); its certificate is not trusted: start Node\.js with NODE_EXTRA_CA_CERTS=/,
    ],
    status: 502,
    answer: /main: connection \(DEPTH_ZERO_SELF_SIGNED_CERT: self-signed certificate\)/,
  },
  'http:// where https:// is due': {
    config: ({ https }) => one({ baseURL: `${https.replace('https:', 'http:')}/v1` }),
    printed: [
      /endpoint 'main' at http:\/\/localhost:\d+ has never answered: connection \(.*\); check its baseURL \(is it https:\/\/ rather than http:\/\/\?\)/,
    ],
    status: 502,
    answer: /main: connection \(/,
  },
  'https:// where http:// is due': {
    config: ({ http }) => one({ baseURL: `${http.replace('http:', 'https:')}/v1` }),
    printed: [
      /endpoint 'main' at https:\/\/127\.0\.0\.1:\d+ has never answered: connection \(.*\); it does not speak TLS as expected: is it http:\/\/ rather than https:\/\/\?/,
    ],
    status: 502,
    answer: /main: connection \(.*wrong version number/,
  },
  'a wrong key': {
    config: ({ http }) => one({ baseURL: `${http}/v1`, apiKey: 'sk-wrong-0123456789' }),
    printed: [
      /endpoint 'main' takes no calls: unauthorized since \d\d:\d\d:\d\d \(401 invalid_api_key: Incorrect API key provided: .*\), cooldown until (?:[\d-]{10} )?\d\d:\d\d:\d\d; call endpoint\('main'\)\.enable\(\) when the key is fixed/,
    ],
    status: 502,
    answer: /main: unauthorized \(401 invalid_api_key: Incorrect API key provided/,
  },
  'an environment variable that is not set': {
    config: ({ http }) => one({ baseURL: `${http}/v1`, apiKey: undefined }),
    printed: [
      /the apiKey of endpoint 'main' is undefined: is the environment variable set\?/,
      /endpoint 'main' takes no calls: unauthorized .*; it has no apiKey: is the environment variable set\?/,
    ],
    status: 502,
    answer: /main: unauthorized \(401: You didn't provide an API key/,
  },
  'a base URL without /v1': {
    config: ({ http }) => one({ baseURL: http }),
    printed: [
      /endpoint 'main' at http:\/\/127\.0\.0\.1:\d+ has not served any call yet: not_served \(404: Invalid URL \(POST \/chat\/completions\)\); check its baseURL \(it has no path: is \/v1 missing\?\) and its model/,
    ],
    status: 502,
    answer: /main: not_served \(404: Invalid URL \(POST \/chat\/completions\)\)/,
  },
  'a proxy that is unreachable': {
    config: ({ http }) =>
      one({ baseURL: `${http}/v1` }, { http: { proxy: { protocol: 'http', host: '127.0.0.1', port: 9 } } }),
    printed: [
      /endpoint 'main' at http:\/\/127\.0\.0\.1:\d+, through the proxy 127\.0\.0\.1:9, has never answered: connection \(ECONNREFUSED: .*; check http\.proxy too/,
    ],
    status: 502,
    answer: /main: connection \(ECONNREFUSED: connect ECONNREFUSED 127\.0\.0\.1:9\)/,
  },
  'a model that the provider does not have': {
    config: ({ http }) => one({ baseURL: `${http}/v1`, model: 'gpt-4o', aliases: ['gpt-4o-mini'] }),
    printed: [
      /endpoint 'main' takes no calls: model_missing since .* \(404 model_not_found: The model `gpt-4o` does not exist or you do not have access to it\.\), cooldown until .*; call endpoint\('main'\)\.enable\(\) when its model is available to its key/,
    ],
    status: 502,
    answer: /main: model_missing \(404 model_not_found: The model `gpt-4o` does not exist/,
  },
  'a model that no endpoint has': {
    handler: async (req, res) => res.json(await ask(req, { model: 'gpt-4-turbo' })),
    printed: [/no endpoint serves the model 'gpt-4-turbo'; configured models: gpt-4o-mini/],
    status: 404,
    answer: /no endpoint serves the model 'gpt-4-turbo'; configured models: gpt-4o-mini/,
  },
  'a misspelled model': {
    handler: async (req, res) => res.json(await ask(req, { model: 'gpt-4o-mimi' })),
    printed: [
      /no endpoint serves the model 'gpt-4o-mimi' \(did you mean 'gpt-4o-mini'\?\); configured models: gpt-4o-mini/,
    ],
    status: 404,
    answer: /did you mean 'gpt-4o-mini'\?/,
  },
  'an account without credit': {
    config: ({ http }) => one({ baseURL: `${http}/v1`, apiKey: SPENT_KEY }),
    printed: [
      /endpoint 'main' takes no calls: quota_exhausted since .* \(429 insufficient_quota: You exceeded your current quota.*\), cooldown until .*; call endpoint\('main'\)\.enable\(\) when the account has credit again/,
    ],
    status: 502,
    answer: /main: quota_exhausted \(429 insufficient_quota: You exceeded your current quota/,
  },
  'an endpoint that never answers': {
    config: ({ http }) =>
      one({ baseURL: `${http}/silent/v1` }, { timeouts: { connectMs: 800, totalMs: 900 } }),
    printed: [
      /endpoint 'main' at http:\/\/127\.0\.0\.1:\d+ has never answered: timeout \(no answer within \d+ ms\); check its baseURL, the network, and http\.proxy .*; a slow model needs longer timeouts/,
      /endpoint: 'main',\n.*\n +class: 'timeout',/,
    ],
    status: 504,
    answer: /deadline exceeded \(900 ms\)/,
  },
  'a temperature as a string': {
    handler: async (req, res) => res.json(await ask(req, { temperature: '0.7' })),
    printed: [/temperature: expected a finite number, got a string/],
    status: 400,
    answer: /temperature: expected a finite number, got a string/,
  },
  'a temperature that the provider refuses': {
    handler: async (req, res) => res.json(await ask(req, { temperature: 7 })),
    printed: [/Invalid 'temperature': decimal above maximum value/, /endpoint: 'main'/],
    status: 400,
    answer: /Invalid 'temperature': decimal above maximum value\. Expected a value <= 2, but got 7 instead\./,
  },
  'a body without messages': {
    handler: async (req, res) =>
      res.json(await req.ai.chat({ model: 'gpt-4o-mini', prompt: PROMPT } as never)),
    printed: [/messages: expected an array with at least one message, got undefined/],
    status: 400,
    answer: /messages: expected an array with at least one message, got undefined/,
  },
  'an empty body': {
    handler: async (req, res) => res.json(await req.ai.chat({} as never)),
    printed: [
      /messages: expected an array with at least one message \(the body is empty; if it is req\.body: is express\.json\(\) mounted before the route, .*\), got undefined/,
    ],
    status: 400,
    answer: /the body is empty; if it is req\.body: is express\.json\(\) mounted before the route/,
  },
  'a route before express.json()': {
    handler: async (req, res) => {
      req.body = undefined;
      res.json(await req.ai.chat(req.body as never));
    },
    printed: [
      /body: expected an OpenAI chat request such as \{ model, messages \} \(if it is req\.body: is express\.json\(\) mounted before the route, and is the content type JSON\?\), got undefined/,
    ],
    status: 400,
    answer: /is express\.json\(\) mounted before the route/,
  },
  'res.json(call) without await': {
    handler: (req, res) => res.json(ask(req)),
    printed: [
      /This is a call, not its answer: await it first, as in res\.json\(await req\.ai\.chat\(body\)\)/,
    ],
    status: 500,
    answer: /This is a call, not its answer: await it first/,
  },
  'the choices of a call without await': {
    handler: (req, res) => res.json((ask(req) as unknown as { choices: unknown[] }).choices[0]),
    printed: [
      /This is a call, not its answer: await it first, as in res\.json\(await req\.ai\.chat\(body\)\)/,
    ],
    status: 500,
    answer: /This is a call, not its answer: await it first/,
  },
  'the choices of a stream': {
    handler: async (req, res) => {
      const answer = (await ask(req, { stream: true })) as unknown as { choices: unknown[] };
      res.json(answer.choices[0]);
    },
    printed: [/This is a stream, not a whole answer: read it with for await, or leave out stream: true\./],
    status: 500,
    answer: /This is a stream, not a whole answer/,
  },
  'for await over a call without await': {
    handler: async (req) => {
      for await (const _ of ask(req, { stream: true }) as unknown as AsyncIterable<unknown>);
    },
    printed: [/This is a call, not its stream: await it first, as in for await \(const chunk of await/],
    status: 500,
    answer: /This is a call, not its stream: await it first/,
  },
  'a second pipe': {
    handler: async (req, res) => {
      const call = ask(req, { stream: true });
      await call.pipe(res);
      await call.pipe(res);
    },
    printed: [/This call was piped already: call pipe\(\) once, for one response\./],
    status: 200,
    answer: /Hello\..*\[DONE\]/s,
  },
  'a second pipe beside the first': {
    handler: (req, res) => {
      const call = ask(req, { stream: true });
      void call.pipe(res);
      void call.pipe(res);
    },
    printed: [/This call was piped already: call pipe\(\) once, for one response\./],
    status: 500,
    answer: /This call was piped already: call pipe\(\) once, for one response\./,
  },
  'pipe without stream: true': {
    handler: (req, res) => ask(req).pipe(res),
    printed: [
      /stream: pipe\(\) needs stream: true, as in req\.ai\.chat\(\{ \.\.\.body, stream: true \}\)\.pipe\(res\)/,
    ],
    status: 400,
    answer: /stream: pipe\(\) needs stream: true/,
  },
};

describe('A mistake that only the first call reveals is explained on the console and in the error:', () => {
  it.each(Object.entries(CALLS))('%s', async (_name, { config, handler = handle, ...expected }) => {
    const urls = { http: await upstream.http(), https: await upstream.https() };
    const app = express();
    app.use(express.json(), mount(config ? config(urls) : one({ baseURL: `${urls.http}/v1` })));
    app.post('/', handler);
    const { status, text } = await answerOf(app);
    await expectPrinted(...expected.printed);
    expect({ status, text }).toEqual({
      status: expected.status,
      text: expect.stringMatching(expected.answer) as string,
    });
    expectNothingSecret(text, ...printed);
  });

  it.each<[mistake: string, answer: [number, Record<string, string>, string], hint: RegExp]>([
    [
      'an address that redirects',
      [308, { location: 'https://api.example.com/v1' }, 'Redirecting...'],
      /has not served any call yet: bad_answer \(308: .*\); it redirects, and a redirect is not followed because it would carry the key away: write the address it redirects to in its baseURL/,
    ],
    [
      'the address of a website',
      [200, { 'content-type': 'text/html' }, '<!doctype html><title>Welcome</title>'],
      /has not served any call yet: bad_answer \(200 html_body: The answer is an HTML page\); that is no answer of an API: check its baseURL \(is its path right\?\)/,
    ],
    [
      'a TLS port of a web server without https://',
      [
        400,
        { 'content-type': 'text/html' },
        '<title>400 The plain HTTP request was sent to HTTPS port</title>',
      ],
      /has not served any call yet: .*; it expects TLS: write https:\/\/ rather than http:\/\/ in its baseURL/,
    ],
  ])('%s', async (_mistake, answer, hint) => {
    const app = express();
    app.use(express.json(), mount(one({ baseURL: `${await upstream.always(...answer)}/v1` })));
    app.post('/', handle);
    await answerOf(app);
    await expectPrinted(hint);
    expectNothingSecret(...printed);
  });
});

describe('A mistake in mounting the middleware is explained:', () => {
  it('aiBalancer mounted without calling it', async () => {
    const app = express();
    app.use(aiBalancer as never);
    const { status, text } = await answerOf(app);
    expect(status).toBe(500);
    expect(text).toContain(
      'aiBalancer was mounted without being called: write app.use(aiBalancer({ endpoints: [...] })), not app.use(aiBalancer)',
    );
  });

  it.each<[mistake: string, mountIt: (app: Express, url: string) => unknown]>([
    ['aiBalancer not mounted', () => undefined],
    ['aiBalancer mounted after the route', (app, url) => app.use(mount(one({ baseURL: `${url}/v1` })))],
  ])("%s (with JavaScript's own error, which docs/troubleshooting.md lists)", async (_mistake, mountIt) => {
    const app = express();
    app.use(express.json());
    app.post('/', handle);
    mountIt(app, await upstream.http());
    const { status, text } = await answerOf(app);
    expect(status).toBe(500);
    expect(text).toContain("Cannot read properties of undefined (reading 'chat')");
  });

  it('an async handler on Express 4 that does not catch the error of a call', async () => {
    const { code, stderr } = await runFixture(join(__dirname, 'fixtures/uncaught-on-express-4.ts'));
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /nobody caught the error of a call \(ERR_AI_ALL_FAILED\), and so Node\.js ends the process; Express 4 does not catch the errors of async handlers: end them with \.catch\(next\), or use Express 5/,
    );
    expectNothingSecret(stderr);
  });
});

describe('A mistake with Redis is reported immediately:', () => {
  it('ioredis is not installed', async () => {
    jest.doMock('ioredis', () => {
      throw new Error("Cannot find module 'ioredis'");
    });
    try {
      mount(one({ baseURL: NOBODY }, { cluster: { redis: 'redis://:hunter2@127.0.0.1:6379' } }));
      await until(() => printed.length > 0);
    } finally {
      jest.dontMock('ioredis');
    }
    expect(printed).toEqual([
      expect.stringContaining("cluster needs the package 'ioredis': npm install ioredis"),
    ]);
    expectNothingSecret(...printed);
  });

  it('Redis is unreachable', async () => {
    mount(one({ baseURL: NOBODY }, { cluster: { redis: 'redis://:hunter2@127.0.0.1:9' } }));
    await until(() => printed.length > 0);
    expect(printed).toEqual([
      expect.stringMatching(
        /Redis is unavailable: quotas are enforced as onOutage says \(local-share\): ECONNREFUSED 127\.0\.0\.1:9; check that it runs and that cluster\.redis names it$/,
      ),
    ]);
    expectNothingSecret(...printed);
  });
});

function thrownBy(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return String(error);
  }
  throw new Error('nothing was thrown');
}
