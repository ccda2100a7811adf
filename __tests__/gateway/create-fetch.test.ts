import { once } from 'node:events';
import express from 'express';
import {
  AiBalancerError,
  aiBalancer,
  type BalancerConfig,
  type CallEvent,
  type CreateFetchOptions,
  createFetch,
  smartRouter,
} from 'express-ai-balancer';
import type { ProviderOptions } from 'express-ai-balancer/simulator';
import OpenAI, { APIError, APIUserAbortError, BadRequestError, NotFoundError, RateLimitError } from 'openai';
import { pause } from '../helpers/async';
import { post, TestServer } from '../helpers/express';
import { endpointAt, Rig, rejection, until } from '../helpers/provider';
import { apiErrorOf, BODY, EMBEDDING_MODEL } from './fixtures/gateway';

const rig = new Rig();
const site = new TestServer();
const BASE_URL = 'http://balancer/v1';
const LONG = { ...BODY, metadata: { simulate_output_tokens: '200' }, stream: true as const };

interface Parts {
  provider?: ProviderOptions;
  config?: Partial<BalancerConfig>;
  options?: CreateFetchOptions;
}

async function open({ provider: providerOptions, config, options }: Parts = {}) {
  const provider = await rig.provider({
    models: { 'gpt-4o': {}, [EMBEDDING_MODEL]: {} },
    reply: () => 'It left our house this morning.',
    ...providerOptions,
  });
  const balancer = rig.balancer(
    [endpointAt(provider), endpointAt(provider, { name: 'vectors', model: EMBEDDING_MODEL })],
    { retry: { maxAttempts: 1 }, ...config },
  );
  const ownFetch = createFetch(balancer, options);
  const client = new OpenAI({ baseURL: BASE_URL, apiKey: 'unused', maxRetries: 0, fetch: ownFetch });
  const ended: CallEvent[] = [];
  balancer.on('call', (event) => ended.push(event));
  return { provider, balancer, client, ownFetch, ended };
}

function postTo(ownFetch: typeof fetch, path: string, body: unknown, init: RequestInit = {}) {
  const headers = { 'content-type': 'application/json', ...(init.headers as Record<string, string>) };
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return ownFetch(`${BASE_URL}${path}`, { method: 'POST', body: text, ...init, headers });
}

describe('The fetch of createFetch()', () => {
  it('serves the official client: chat, embeddings and models', async () => {
    const { client, provider } = await open();
    const { data, response } = await client.chat.completions.create(BODY).withResponse();
    expect(data.choices[0]?.message.content).toBe('It left our house this morning.');
    expect(response.headers.get('x-ai-endpoint')).toBe('main');
    expect(response.url).toBe(`${BASE_URL}/chat/completions`);
    // The client's own key never reaches the provider.
    expect(JSON.stringify(provider.requests[0]?.headers)).not.toContain('unused');

    const vectors = await client.embeddings.create({ model: EMBEDDING_MODEL, input: ['a', 'b'] });
    expect(vectors.data).toHaveLength(2);
    const models = await client.models.list();
    expect(models.data.map(({ id }) => id)).toEqual(['gpt-4o', EMBEDDING_MODEL]);
    expect((await client.models.retrieve('gpt-4o')).id).toBe('gpt-4o');
  });

  it('accepts a URL or a Request with any kind of body, and routes by the end of the path', async () => {
    const { ownFetch } = await open();
    const body = JSON.stringify(BODY);
    for (const url of ['https://api.openai.com/v1/chat/completions', 'http://x/chat/completions/']) {
      const init = { method: 'POST', body };
      for (const call of [
        ownFetch(url, init),
        ownFetch(new URL(url), { method: 'POST', body: Buffer.from(body) }),
        ownFetch(new Request(url, init)),
        ownFetch(url, { method: 'POST', body: new Blob([body]).stream(), duplex: 'half' }),
      ]) {
        const response = await call;
        expect(response.status).toBe(200);
        expect(response.headers.get('content-type')).toContain('application/json');
        expect(await response.json()).toMatchObject({ object: 'chat.completion' });
      }
    }
  });

  it('streams, and sends [DONE] only after a complete answer', async () => {
    const logger = { debug: jest.fn(), info: jest.fn(), warn: jest.fn(), error: jest.fn() };
    const { client, ownFetch, provider } = await open({ config: { logger } });
    let text = '';
    for await (const { choices } of await client.chat.completions.create({ ...BODY, stream: true }))
      text += choices[0]?.delta.content ?? '';
    expect(text).toBe('It left our house this morning.');
    const whole = await postTo(ownFetch, '/chat/completions', { ...BODY, stream: true });
    expect(whole.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(await whole.text()).toMatch(/\n\ndata: \[DONE\]\n\n$/);

    provider.fault({ kind: 'cut', afterTokens: 2 });
    const cut = await postTo(ownFetch, '/chat/completions', { ...BODY, stream: true });
    const cutText = await cut.text();
    expect(cutText).toContain('"code":"ERR_AI_STREAM_BROKEN"');
    expect(cutText).not.toContain('[DONE]');
    expect(logger.warn.mock.calls.flat()).toContainEqual(
      expect.stringMatching(
        /^a stream that is read through fetch failed: ERR_AI_STREAM_BROKEN: .*the connection was aborted/,
      ),
    );
    const read = async () => {
      for await (const _ of await client.chat.completions.create({ ...BODY, stream: true }));
    };
    expect(await rejection(read())).toMatchObject({ code: 'ERR_AI_STREAM_BROKEN' });
    expect(await rejection(read())).toBeInstanceOf(APIError);
  });

  it('reads from the provider only as fast as its caller reads the body', async () => {
    const event = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'x'.repeat(60_000) } }] })}\n\n`;
    const total = 500;
    let sent = 0;
    const app = express().post('/chat/completions', async (_req, res) => {
      res.type('text/event-stream');
      for (; sent < total; sent++) if (!res.write(event)) await once(res, 'drain');
      res.end('data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n');
    });
    const balancer = rig.balancer([endpointAt({ url: await site.listen(app) })]);
    const response = await postTo(createFetch(balancer), '/chat/completions', { ...BODY, stream: true });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    // The buffers of the sockets fill up, and then nothing moves.
    for (let before = -1; before !== sent; ) {
      before = sent;
      await pause(100);
    }
    expect(sent).toBeLessThan(total);
    let size = 0;
    for (let next = await reader.read(); !next.done; next = await reader.read()) size += next.value.length;
    expect(size).toBeGreaterThan((total - 1) * event.length);
  });

  it('aborts the call at the provider when the response body is cancelled', async () => {
    const { ownFetch, provider, balancer } = await open({
      provider: { reply: () => undefined, timeScale: 1 },
    });
    const response = await postTo(ownFetch, '/chat/completions', LONG);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await reader.cancel();
    await until(() => provider.stats().aborted === 1);
    expect(balancer.stats().endpoints[0]?.inFlight).toBe(0);
  });

  it.each([['whole'], ['streamed']])('rejects with an AbortError when a %s call is aborted', async (kind) => {
    const { ownFetch, client, provider } = await open({
      provider: { reply: () => undefined, timeScale: 1 },
    });
    const leaving = new AbortController();
    const body = { ...LONG, stream: kind === 'streamed' };
    const waiting = postTo(ownFetch, '/chat/completions', body, { signal: leaving.signal });
    await until(() => provider.stats().inFlight === 1);
    leaving.abort();
    expect(await rejection(waiting)).toMatchObject({ name: 'AbortError' });
    await until(() => provider.stats().aborted === 1);

    const reason = new Error('the page was closed');
    expect(
      await rejection(postTo(ownFetch, '/chat/completions', body, { signal: AbortSignal.abort(reason) })),
    ).toBe(reason);
    expect(provider.stats().seen).toBe(1);

    const sdk = new AbortController();
    const called = client.chat.completions.create(body, { signal: sdk.signal });
    await until(() => provider.stats().inFlight === 1);
    sdk.abort();
    expect(await rejection(called)).toBeInstanceOf(APIUserAbortError);
  });

  it('makes the body fail with the reason of the signal when a stream is aborted midway', async () => {
    const { ownFetch, provider } = await open({ provider: { reply: () => undefined, timeScale: 1 } });
    const leaving = new AbortController();
    const response = await postTo(ownFetch, '/chat/completions', LONG, { signal: leaving.signal });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    leaving.abort();
    const read = async () => {
      while (!(await reader.read()).done);
    };
    expect(await rejection(read())).toMatchObject({ name: 'AbortError' });
    await until(() => provider.stats().aborted === 1);
  });

  it('resolves to the same error responses as over HTTP', async () => {
    const { client, ownFetch } = await open();
    const { completions } = client.chat;
    const empty = await apiErrorOf(completions.create({ ...BODY, messages: [] }));
    expect(empty).toBeInstanceOf(BadRequestError);
    expect(empty).toMatchObject({ param: 'messages', type: 'invalid_request_error' });
    expect(await apiErrorOf(completions.create({ ...BODY, model: 'gpt-9' }))).toBeInstanceOf(NotFoundError);
    expect(await apiErrorOf(client.models.retrieve('gpt-9'))).toBeInstanceOf(NotFoundError);
    expect(await apiErrorOf(client.files.list())).toBeInstanceOf(NotFoundError);

    const broken = await postTo(ownFetch, '/chat/completions', '{"model":');
    expect(broken.status).toBe(400);
    expect(await broken.json()).toMatchObject({ error: { param: 'body' } });
    const wrong = await ownFetch(`${BASE_URL}/embeddings`);
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get('allow')).toBe('POST');
  });

  it.each([[false], [true]])(
    'responds to a rate limit with 429 and Retry-After (stream: %s)',
    async (stream) => {
      const { client, provider } = await open();
      provider.fault({ kind: 'error', status: 429, headers: { 'retry-after': '90' }, afterMs: 0 });
      const limited = await apiErrorOf(client.chat.completions.create({ ...BODY, stream }));
      expect(limited).toBeInstanceOf(RateLimitError);
      expect(Number(limited.headers?.get('retry-after'))).toBeGreaterThanOrEqual(90);
    },
  );

  it('says in x-ai-cache whether the answer comes from the cache, and whether it is stale', async () => {
    const cache = { ttlMs: 60_000, staleIfErrorMs: 60_000 };
    const { ownFetch, provider } = await open({ config: { cache } });
    const cacheOf = async () => {
      const { status, headers } = await postTo(ownFetch, '/chat/completions', { ...BODY, temperature: 0 });
      return [status, headers.get('x-ai-cache')];
    };
    expect(await cacheOf()).toEqual([200, null]);
    expect(await cacheOf()).toEqual([200, 'hit']);
    provider.fault({ kind: 'err5xx' });
    const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 61_000);
    expect(await cacheOf()).toEqual([200, 'stale']);
    clock.mockRestore();
  });

  it('lists a model of several endpoints once, and finds auto while any endpoint is there', async () => {
    const { client, balancer, provider } = await open();
    await balancer.reload({
      endpoints: ['a', 'b'].map((name) => endpointAt(provider, { name, aliases: ['fast'] })),
    });
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['gpt-4o', 'fast']);
    expect(await client.models.retrieve('auto')).toMatchObject({ id: 'auto', owned_by: 'openai' });
    for (const name of ['a', 'b']) balancer.endpoint(name).disable();
    expect(await client.models.retrieve('auto')).toMatchObject({ id: 'auto', owned_by: 'system' });
  });

  it('accepts HEAD in place of GET only, and a signal that is null', async () => {
    const { ownFetch } = await open();
    expect((await ownFetch(`${BASE_URL}/models`, { method: 'HEAD', signal: null })).status).toBe(200);
    const wrong = await ownFetch(`${BASE_URL}/chat/completions`, { method: 'HEAD' });
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
  });

  it('sends x-should-retry: false if a retry would only add load', async () => {
    const { ownFetch, provider } = await open();
    provider.fault({ kind: 'err5xx' });
    const failed = await postTo(ownFetch, '/chat/completions', BODY);
    expect(failed.status).toBe(502);
    expect(failed.headers.get('x-should-retry')).toBe('false');
  });

  it('gives each call the context from its options and from the allowed headers', async () => {
    const { ownFetch, ended } = await open({
      options: {
        context: { tenant: 'shop', priority: 2 },
        allowHeaders: ['x-ai-priority', 'x-ai-session', 'x-ai-endpoint'],
      },
    });
    const headers = {
      'x-ai-priority': '5',
      'x-ai-session': 's1',
      'x-ai-tenant': 'other',
      'x-request-id': 'r-1',
    };
    const response = await postTo(ownFetch, '/chat/completions', BODY, { headers });
    expect(response.headers.get('x-request-id')).toBe('r-1');
    expect(ended[0]).toMatchObject({ requestId: 'r-1', tenant: 'shop', priority: 5 });

    const elsewhere = { 'x-ai-endpoint': 'vectors' };
    expect((await postTo(ownFetch, '/chat/completions', BODY, { headers: elsewhere })).status).toBe(404);
    const invalid = { 'x-ai-priority': '7' };
    expect((await postTo(ownFetch, '/chat/completions', BODY, { headers: invalid })).status).toBe(400);
  });

  it('calls context() for every call, and responds with 500 if it fails', async () => {
    let count = 0;
    const { ownFetch, ended } = await open({
      options: {
        context: () => {
          if (++count === 2) throw new Error('no session');
          return { tenant: `t${count}` };
        },
      },
    });
    expect((await postTo(ownFetch, '/chat/completions', BODY)).status).toBe(200);
    const failed = await postTo(ownFetch, '/chat/completions', BODY);
    expect(failed.status).toBe(500);
    expect(await failed.text()).not.toContain('session');
    expect((await postTo(ownFetch, '/chat/completions', BODY)).status).toBe(200);
    expect(ended.map(({ tenant }) => tenant)).toEqual(['t1', 't3']);
  });

  it('reports every fault of its options in one ERR_AI_CONFIG', async () => {
    const { balancer } = await open();
    const create = () =>
      createFetch(balancer, { timeoutMs: -1, context: { priority: 9 }, retries: 2 } as never);
    expect(create).toThrow(AiBalancerError);
    expect(create).toThrow(/timeoutMs[^]*context[^]*retries|retries[^]*timeoutMs|timeoutMs/);
    expect(() => createFetch({} as never)).toThrow('a Balancer');
  });
});

describe('The fetch of req.ai', () => {
  it('uses the context of the request, and is aborted when the client disconnects', async () => {
    const { balancer, provider, ended } = await open({
      provider: { reply: () => undefined, timeScale: 1 },
    });
    const app = express().set('env', 'test');
    app.use(aiBalancer(balancer, { router: { tenant: 'shop' }, guard: { rpm: 2 } }));
    app.post('/ask', smartRouter(balancer, { priority: 4 }), async (req, res) => {
      const client = new OpenAI({ baseURL: BASE_URL, apiKey: 'unused', maxRetries: 0, fetch: req.ai.fetch });
      try {
        const tokens = req.query.tokens as string;
        res.json(
          await client.chat.completions.create({ ...BODY, metadata: { simulate_output_tokens: tokens } }),
        );
      } catch (error) {
        res.status((error as APIError).status ?? 599).end();
      }
    });
    const url = await site.listen(app);
    expect((await post(`${url}/ask?tokens=1`)).status).toBe(200);
    expect(ended[0]).toMatchObject({ tenant: 'shop', priority: 4 });

    const leaving = new AbortController();
    const left = fetch(`${url}/ask?tokens=2000`, { method: 'POST', signal: leaving.signal });
    await until(() => provider.stats().inFlight === 1);
    leaving.abort();
    await rejection(left);
    await until(() => provider.stats().aborted === 1);

    expect((await post(`${url}/ask?tokens=1`)).status).toBe(429);
  });
});
