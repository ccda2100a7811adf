import { inspect } from 'node:util';
import { type AiBalancerError, Balancer } from 'express-ai-balancer';
import { answer, BODY, chatText, error, Rig, raw, rejection, statsOf } from '../failover/upstream';

const rig = new Rig();

const KEYS: readonly [form: string, key: string][] = [
  ['OpenAI', 'sk-proj-4f9Qz7Lm2Xc8Vb1Nn5Kk0Hh3Gg6Ff9Dd'],
  ['in a Bearer header', 'Zx81.custom-token~42'],
  ['Azure (hexadecimal)', '0f1e2d3c4b5a69788796a5b4c3d2e1f0'],
  ['Google', 'AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY'],
  ['Groq', 'gsk_Yq2Lr8Tn4Wd6Bv0Zc1Xm3Sk5Hj7Gf9P'],
  ['xAI', 'xai-7Hq1Ws3Ed5Rf7Tg9Yh2Uj4Ik6Ol8Pz'],
  ['short and custom', 'k3y-9Q'],
  ['with special characters', 'p@ss/w0rd+x=y&z!%41'],
  ['that looks like a word', 'correcthorse'],
];

/** Everything that a log, a report or a page could show of a value. */
function shown(value: unknown): string {
  const text = value instanceof Error ? `${value.message}\n${value.stack}` : '';
  return `${JSON.stringify(value)}\n${inspect(value, { depth: 20, showHidden: true })}\n${text}`;
}

function expectHidden(key: string, ...values: unknown[]): void {
  for (const value of values) {
    const text = shown(value);
    for (const form of [key, encodeURIComponent(key), JSON.stringify(key).slice(1, -1)]) {
      expect(text).not.toContain(form);
    }
  }
}

function splitByEscapes(key: string): string {
  return Array.from(key)
    .map((char, at) => (at % 3 === 1 ? `\\u00${char.charCodeAt(0).toString(16)}` : char))
    .join('');
}

describe.each(KEYS)('Redaction of a key %s:', (_form, key) => {
  it.each([
    [
      'a 401',
      error(401, { message: `Incorrect API key provided: ${key}.`, code: key, type: key, param: key }),
    ],
    ['a 400', error(400, { message: `"Bearer ${key}" is not allowed`, param: key })],
    ['a 500 that is cut in the key', error(500, { message: `${'x'.repeat(990)} ${key}` })],
    ['a URL', error(404, { message: `no route for /v1/chat?key=${encodeURIComponent(key)}` })],
    ['JSON that is not an answer', raw(200, `{"error": "key ${splitByEscapes(key)} is unknown"}`)],
    ['a page', raw(502, `<html><b>${key}</b></html>`, { 'content-type': 'text/html' })],
    [
      'a stream',
      raw(200, `data: {"error":{"message":"bad key ${splitByEscapes(key)}"}}\n\n`, {
        'content-type': 'text/event-stream',
      }),
    ],
  ])(
    'no error, event, log or report contains the key if an upstream quotes it in %s',
    async (_what, responder) => {
      for (const stream of [false, true]) {
        const seen: unknown[] = [];
        const log = (fields: object, message: string): void => void seen.push(fields, message);
        const { balancer } = await rig.start(
          { a: responder },
          {
            each: { a: { apiKey: key } },
            logger: { debug: log, info: log, warn: log, error: log },
            retry: { maxAttempts: 1 },
          },
        );
        for (const name of ['call', 'attempt', 'breaker', 'cooldown'] as const) {
          balancer.on(name, (event: unknown) => seen.push(event));
        }
        const failed = (await rejection(chatText(balancer, stream, { timeoutMs: 5_000 }))) as AiBalancerError;
        expect(seen.length).toBeGreaterThan(0);
        expectHidden(key, failed, failed.route, failed.toBody(), balancer.stats(), ...seen);
      }
    },
  );

  it('a key that an apiKey function returns is redacted too', async () => {
    const responder = error(401, { message: `Incorrect API key provided: ${key}.` });
    const { balancer } = await rig.start({ a: responder }, { each: { a: { apiKey: () => key } } });
    const failed = (await rejection(balancer.chat(BODY))) as AiBalancerError;
    expectHidden(key, failed, failed.route, failed.toBody());
  });

  it('no error about the configuration contains the key', async () => {
    const faulty = [
      { endpoints: [{ name: key, model: 'm', apiKey: key, rpm: 0 }] },
      { endpoints: key },
      { endpoints: [key] },
      { endpoints: [{ name: 'a', model: 'm', apiKye: key, headers: key, timeouts: key, weight: key }] },
      { endpoints: [{ name: 'a', model: 'm', baseURL: `https://user:${key}@host/v1` }] },
      { endpoints: [{ name: 'a', model: 'm', headers: { authorization: `${key}\n` } }] },
      { endpoints: [{ name: 'a', model: 'm' }], cluster: `redis://:${key}@host` },
      {
        endpoints: [{ name: 'a', model: 'm' }],
        cluster: { redis: `http://:${key}@host`, prefix: ` ${key}` },
      },
      { endpoints: [{ name: 'a', model: 'm' }], http: { proxy: `http://user:${key}@proxy` } },
      { endpoints: [{ name: 'a', model: 'm' }], http: `http://user:${key}@proxy`, logger: key, retry: key },
    ];
    for (const config of faulty) {
      const failed = await rejection(Promise.resolve().then(() => new Balancer(config as never)));
      expect((failed as AiBalancerError).code).toBe('ERR_AI_CONFIG');
      expectHidden(key, failed);
    }
  });
});

it('Redaction: the message of an upstream that quotes a configured header value is redacted', async () => {
  const responder = error(400, { message: 'tenant-token-77, proxy-user-1:proxy-pass-1' });
  const { balancer } = await rig.start(
    { a: responder },
    { each: { a: { headers: { 'x-tenant': 'Token tenant-token-77' } } } },
  );
  expectHidden('tenant-token-77', await rejection(balancer.chat(BODY)));
});

it('Redaction: an endpoint name that contains a key is rejected at start-up', () => {
  const apiKey = 'sk-0123456789-0123456789';
  expect(() => new Balancer({ endpoints: [{ name: `a ${apiKey}`, model: 'm', apiKey }] })).toThrow(
    'endpoints[0].name: expected a name without a key in it, got a name that holds one',
  );
});

it.each([
  ['a number', 42],
  ['undefined', undefined],
  ['an empty string', ''],
  ['a string with a line break', 'a\nb'],
])(
  'An apiKey function that returns %s puts its endpoint in cooldown with a warning, and another endpoint serves the call',
  async (_, key) => {
    const warn = jest.fn();
    const ignore = (): void => undefined;
    const { balancer, upstream } = await rig.start(
      { a: answer(), b: answer() },
      {
        each: { a: { apiKey: (() => key) as never } },
        logger: { debug: ignore, info: ignore, warn, error: ignore },
      },
    );
    const { route } = await chatText(balancer, false);
    expect(route).toMatchObject({ endpoint: 'b', attempts: [{ endpoint: 'a', class: 'unauthorized' }, {}] });
    expect(upstream.count('a')).toBe(0);
    expect(statsOf(balancer, 'a').state).toBe('cooldown');
    expect(warn).toHaveBeenCalledWith(
      expect.objectContaining({
        endpoint: 'a',
        reason: expect.stringContaining('apiKey() returned') as string,
      }),
      expect.any(String),
    );
  },
);
