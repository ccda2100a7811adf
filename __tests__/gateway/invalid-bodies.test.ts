import express5 from 'express';
import { type AiBalancerError, aiBalancer } from 'express-ai-balancer';
import { EXPRESS_VERSIONS, TestServer } from '../helpers/express';
import { BODY, GatewayRig, send, sendChat } from './fixtures/gateway';

const rig = new GatewayRig();
const site = new TestServer();

/** An array in an array in an array. */
const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const nestedObject = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
const withField = (field: string): string =>
  `{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],${field}}`;

const DEEP: [where: string, body: string][] = [
  ['content nested 5,000 deep', `{"model":"gpt-4o","messages":[{"role":"user","content":${nested(5_000)}}]}`],
  [
    'content nested 100,000 deep',
    `{"model":"gpt-4o","messages":[{"role":"user","content":${nested(100_000)}}]}`,
  ],
  [
    'objects nested 5,000 deep in content',
    `{"model":"gpt-4o","messages":[{"role":"user","content":[${nestedObject(5_000)}]}]}`,
  ],
  ['tools nested 5,000 deep', withField(`"tools":[${nestedObject(5_000)}]`)],
  ['response_format nested 5,000 deep', withField(`"response_format":${nestedObject(5_000)}`)],
  ['metadata nested 5,000 deep', withField(`"metadata":${nestedObject(5_000)}`)],
  ['an unknown field nested 5,000 deep', withField(`"x":${nested(5_000)}`)],
  ['a field nested 600 deep', withField(`"x":${nested(600)}`)],
];

const INVALID: [what: string, body: string, param: string][] = [
  ['null', 'null', 'body'],
  ['an array', '[]', 'body'],
  ['an array that contains a request', `[${JSON.stringify(BODY)}]`, 'body'],
  ['a string', '"messages"', 'body'],
  ['a number', '5', 'body'],
  ['true', 'true', 'body'],
  ['broken JSON', '{"messages":', 'body'],
  ['text after the JSON', `${JSON.stringify(BODY)}x`, 'body'],
  ['only a byte order mark', '\ufeff', 'messages'],
  ['an empty object', '{}', 'messages'],
  ['an empty body', '', 'messages'],
  ['messages of null', '{"messages":null}', 'messages'],
  ['messages as an object', '{"messages":{"0":{"role":"user"}}}', 'messages'],
  ['a message of null', '{"messages":[null]}', 'messages[0]'],
  ['a message that is an array', '{"messages":[[]]}', 'messages[0]'],
  ['a message without a role', '{"messages":[{"content":"x"}]}', 'messages[0].role'],
  ['content as a number', '{"messages":[{"role":"user","content":5}]}', 'messages[0].content'],
  ['max_tokens of -1', withField('"max_tokens":-1'), 'max_tokens'],
  ['max_tokens beyond any number', withField('"max_tokens":1e999'), 'max_tokens'],
  ['stream as a string', withField('"stream":"true"'), 'stream'],
  ['a model that is not a string', '{"model":5,"messages":[{"role":"user","content":"x"}]}', 'model'],
];

describe.each(EXPRESS_VERSIONS)('On Express %s, an invalid body', (_, express) => {
  it.each(DEEP)('with %s gets a 400 from the gateway, whole and streamed', async (_, body) => {
    const { url, provider } = await rig.open({ express });
    for (const text of [body, body.replace('{', '{"stream":true,')]) {
      expect(await sendChat(url, text)).toMatchObject({
        status: 400,
        json: {
          error: {
            message: expect.stringContaining('nested deeper than 512 levels') as string,
            type: 'invalid_request_error',
            code: 'ERR_AI_BAD_REQUEST',
          },
        },
      });
    }
    expect(provider.requests).toHaveLength(0);
  });

  it.each(DEEP)(
    'with %s makes req.ai.chat() reject with status 400 if express.json() has parsed it',
    async (_, body) => {
      const { balancer, provider } = await rig.open({ express });
      const app = express().set('env', 'test');
      app.use(express.json({ limit: '10mb' }), aiBalancer(balancer));
      app.post('/', (req, res) => {
        req.ai.chat(req.body as never).then(
          () => void res.end(),
          (error: unknown) =>
            void res.status((error as AiBalancerError).status).json((error as AiBalancerError).toBody()),
        );
      });
      const answer = await send(await site.listen(app), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      expect(answer).toMatchObject({ status: 400, json: { error: { code: 'ERR_AI_BAD_REQUEST' } } });
      expect(provider.requests).toHaveLength(0);
    },
  );

  it.each(INVALID)('such as %s gets an OpenAI-shaped 400', async (_, body, param) => {
    const { url, provider } = await rig.open({ express });
    expect(await sendChat(url, body)).toMatchObject({
      status: 400,
      json: {
        error: {
          message: expect.any(String) as string,
          type: 'invalid_request_error',
          code: 'ERR_AI_BAD_REQUEST',
          param,
        },
      },
    });
    expect(provider.requests).toHaveLength(0);
  });

  it.each([
    ['no content type', {}],
    ['text/plain', { 'content-type': 'text/plain' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['an invalid content type', { 'content-type': 'json' }],
    ['an unknown charset', { 'content-type': 'application/json; charset=x-odd' }],
    ['an unknown encoding', { 'content-type': 'application/json', 'content-encoding': 'x-odd' }],
  ])('with %s gets an OpenAI-shaped 415', async (_, headers) => {
    const { url, provider } = await rig.open({ express });
    const answer = await send(`${url}/chat/completions`, {
      method: 'POST',
      headers: headers as Record<string, string>,
      body: Buffer.from(JSON.stringify(BODY)),
    });
    expect(answer).toMatchObject({
      status: 415,
      json: { error: { type: 'invalid_request_error', code: 'ERR_AI_BAD_REQUEST', param: 'body' } },
    });
    expect(provider.requests).toHaveLength(0);
  });

  it('with a wrong gzip encoding or a wrong length gets an OpenAI-shaped 400', async () => {
    const { url } = await rig.open({ express });
    const answer = await send(`${url}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      body: JSON.stringify(BODY),
    });
    expect(answer).toMatchObject({ status: 400, json: { error: { param: 'body' } } });
  });

  it('does not include one that is nested 500 deep, which is accepted', async () => {
    const { url } = await rig.open({ express });
    expect((await sendChat(url, withField(`"x":${nested(500)}`))).status).toBe(200);
  });

  it.each([
    ['null', 'null', 'body'],
    ['an array', '[]', 'body'],
    ['no input', '{"model":"text-embedding-3-small"}', 'input'],
    ['an empty input', '{"model":"text-embedding-3-small","input":[]}', 'input'],
    ['an input nested 5,000 deep', `{"model":"text-embedding-3-small","input":${nested(5_000)}}`, 'input'],
    ['no model', '{"input":"x"}', 'model'],
  ])('for embeddings, such as %s, gets an OpenAI-shaped 400', async (_, body, param) => {
    const { url } = await rig.open({ express });
    const answer = await send(`${url}/embeddings`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    expect(answer).toMatchObject({ status: 400, json: { error: { type: 'invalid_request_error', param } } });
  });
});

it('The gateway refuses a body that the app has read and that is not JSON', async () => {
  for (const [parser, type] of [
    [express5.text({ type: '*/*' }), 'application/json'],
    [express5.raw({ type: '*/*' }), 'application/json'],
  ] as const) {
    const { url } = await rig.open({ before: () => [parser] });
    for (const body of ['{', 'null', '[]', `{"messages":${nested(5_000)}}`]) {
      expect(await sendChat(url, body, { 'content-type': type })).toMatchObject({
        status: 400,
        json: { error: { type: 'invalid_request_error' } },
      });
    }
  }
});
