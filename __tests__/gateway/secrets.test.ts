import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type AiBalancerError, aiGateway, type Balancer, createBalancer } from 'express-ai-balancer';
import { EXPRESS_VERSIONS, post, TestServer } from '../helpers/express';
import { rejection } from '../helpers/provider';

const BODY = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Where is my parcel?' }] };
const HEADER_SECRET = 'org-token/9f8e7d6c';
const ENDPOINT_NAME = 'internal-endpoint-7';

const KEYS: [form: string, key: string][] = [
  ['an OpenAI key', 'sk-proj-Ab12_cD34-eF56gH78iJ90kL12mN34'],
  ['an Anthropic key', 'sk-ant-api03-Zz9_yX8-wV7uT6sR5qP4oN3mL2kJ1-AA'],
  ['a Groq key', 'gsk_A1b2C3d4E5f6G7h8I9j0K1l2M3n4'],
  ['a Google key', 'AIzaSyA-1234567890_abcdefghijklmnopqrs'],
  ['32 hexadecimal digits', 'f0e1d2c3b4a5968778695a4b3c2d1e0f'],
  ['a UUID', 'b7e23ec2-9af2-4e09-8a3d-2f1c6b7a9d55'],
  ['an id and a secret with a dot', 'a1b2c3d4e5f6.XyZ123abc456'],
  ['a JSON web token', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzaG9wIn0.c2lnbmF0dXJl-_x'],
  ['a passphrase', 'quiet-horse-battery-staple'],
  ['a short key', 'hunter2'],
  ['a key with characters that JSON and URLs escape', 'p"a\\s/s+w=rd&%20'],
  ['a key that looks like several keys', 'abcd-sk-1234567890.wxyz'],
];

type Echo = (req: IncomingMessage, res: ServerResponse) => void;

/** How an upstream may repeat the key and a header of the request. */
const ECHOES: [how: string, echo: Echo][] = [
  ...[400, 401, 429, 500].map((status): [string, Echo] => [
    `status ${status} with a JSON error`,
    (req, res) => {
      const message = `Incorrect API key provided: ${keyOf(req)} (${String(req.headers['x-org'])}). Check ${keyOf(req)}.`;
      res.writeHead(status, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ error: { message, type: keyOf(req), code: keyOf(req), param: keyOf(req) } }));
    },
  ]),
  [
    'status 400 with a plain text',
    (req, res) => {
      res.writeHead(400, { 'content-type': 'text/plain' });
      res.end(`Authorization: Bearer ${keyOf(req)} is not accepted, x-org: ${String(req.headers['x-org'])}`);
    },
  ],
  [
    'status 400 with a long message that cuts the key',
    (req, res) => {
      res.writeHead(400, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ error: { message: `${'invalid value '.repeat(71)}${keyOf(req)}` } }));
    },
  ],
  [
    'status 200 with an error',
    (req, res) => {
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(JSON.stringify({ error: { message: `Bad key ${keyOf(req)}!`, code: 400 } }));
    },
  ],
  [
    'an error event before the first token',
    (req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.end(`data: ${JSON.stringify({ error: { message: `Bad key ${keyOf(req)}!`, code: 'x' } })}\n\n`);
    },
  ],
  [
    'an error event after the first token',
    (req, res) => {
      const chunk = {
        id: '1',
        object: 'chat.completion.chunk',
        created: 1,
        model: 'm',
        choices: [{ index: 0, delta: { content: 'It left' }, finish_reason: null }],
      };
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write(`data: ${JSON.stringify(chunk)}\n\n`);
      res.end(
        `data: ${JSON.stringify({ error: { message: `Bad key ${keyOf(req)}!`, type: keyOf(req) } })}\n\n`,
      );
    },
  ],
];

function keyOf(req: IncomingMessage): string {
  return String(req.headers.authorization).replace(/^Bearer /, '');
}

/** Whether any part of a secret that is long enough to recognize it is in the text, in any escaping. */
function leaks(text: string, secret: string): boolean {
  const forms = [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)];
  return forms.some((form) => text.includes(form)) || text.includes(secret.slice(0, 6));
}

describe("The gateway with an upstream that repeats the endpoint's key in its errors", () => {
  const site = new TestServer();
  let upstream: Server;
  let echo: Echo;
  const balancers: Balancer[] = [];

  beforeAll(async () => {
    upstream = createServer((req, res) => {
      req.resume();
      req.on('end', () => echo(req, res));
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => void upstream.close());
  afterEach(async () => {
    await Promise.all(balancers.splice(0).map((balancer) => balancer.close({ graceMs: 0 })));
  });

  function open(apiKey: string, seen: unknown[]): Balancer {
    const log = (...args: unknown[]): void => void seen.push(args);
    const balancer = createBalancer({
      endpoints: [
        {
          name: ENDPOINT_NAME,
          model: 'gpt-4o',
          baseURL: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/v1`,
          apiKey,
          headers: { 'x-org': HEADER_SECRET },
        },
      ],
      retry: { maxAttempts: 1 },
      logger: { debug: log, info: log, warn: log, error: log },
    });
    for (const event of ['call', 'attempt', 'breaker', 'cooldown'] as const) balancer.on(event, log);
    balancers.push(balancer);
    return balancer;
  }

  describe.each(KEYS)('if the key is %s', (_, key) => {
    it.each(ECHOES)(
      'never shows the key to a client or in errors, events and logs, for %s',
      async (_, respond) => {
        echo = respond;
        for (const stream of [false, true]) {
          const seen: unknown[] = [];
          const balancer = open(key, seen);
          const read = async (): Promise<void> => {
            const answer = (await balancer.chat({ ...BODY, stream } as typeof BODY)) as unknown;
            for await (const _ of answer as AsyncIterable<unknown>);
          };
          const error = (await rejection(read())) as AiBalancerError;
          const { message, stack, attempts, route } = error;
          const texts = JSON.stringify([
            seen,
            error,
            message,
            stack,
            attempts,
            route,
            error.toBody(),
            balancer.stats(),
          ]);
          const [, express] = EXPRESS_VERSIONS[stream ? 0 : 1]!;
          const gateway = aiGateway(open(key, seen), { authenticate: false });
          const answer = await post(
            `${await site.listen(express().use(gateway))}/chat/completions`,
            {},
            { ...BODY, stream },
          );
          for (const text of [
            texts,
            answer.text,
            JSON.stringify([...answer.headers]),
            JSON.stringify(seen),
          ]) {
            expect(leaks(text, key)).toBe(false);
            expect(leaks(text, HEADER_SECRET)).toBe(false);
          }
          expect(answer.text).not.toContain(ENDPOINT_NAME);
          expect(JSON.stringify(error.toBody())).not.toContain(ENDPOINT_NAME);
        }
      },
    );
  });
});
