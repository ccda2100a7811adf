import type express5 from 'express';
import OpenAI, {
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from 'openai';
import { until } from '../helpers/provider';
import { apiErrorOf, BODY, EMBEDDING_MODEL, GatewayRig, send, sendChat } from './fixtures/gateway';

const rig = new GatewayRig();

describe('An error of the gateway', () => {
  it('becomes the matching error class of the official OpenAI client', async () => {
    const { client, provider } = await rig.open();
    const intruder = client.withOptions({ apiKey: 'sk-guessed' });
    const { completions } = client.chat;

    const stranger = await apiErrorOf(intruder.chat.completions.create(BODY));
    expect(stranger).toBeInstanceOf(AuthenticationError);
    expect(stranger.code).toBe('invalid_api_key');
    expect(provider.requests).toHaveLength(0);

    const empty = await apiErrorOf(completions.create({ ...BODY, messages: [] }));
    expect(empty).toBeInstanceOf(BadRequestError);
    expect(empty).toMatchObject({ param: 'messages', type: 'invalid_request_error' });

    const unknown = await apiErrorOf(completions.create({ ...BODY, model: 'gpt-9' }));
    expect(unknown).toBeInstanceOf(NotFoundError);
    expect(unknown).toMatchObject({ param: 'model', code: 'ERR_AI_NO_ENDPOINT' });

    expect(await apiErrorOf(client.embeddings.create({ model: 'auto', input: 'x' }))).toBeInstanceOf(
      BadRequestError,
    );

    provider.fault({ kind: 'error', status: 400, code: 'bad_seed', message: 'seed is odd', calls: 1 });
    const upstreams = await apiErrorOf(completions.create(BODY));
    expect(upstreams).toBeInstanceOf(BadRequestError);
    expect(upstreams).toMatchObject({ code: 'bad_seed', message: '400 seed is odd' });

    provider.fault({ kind: 'error', status: 429, headers: { 'retry-after': '7' }, afterMs: 0, calls: 1 });
    const limited = await apiErrorOf(completions.create(BODY));
    expect(limited).toBeInstanceOf(RateLimitError);
    expect(limited.type).toBe('rate_limit_error');
  });

  it('that occurs before the first content of a stream has its own HTTP status', async () => {
    const { client, provider } = await rig.open();
    provider.fault({ kind: 'err5xx', calls: 1 });
    const failed = await apiErrorOf(client.chat.completions.create({ ...BODY, stream: true }));
    expect(failed).toBeInstanceOf(InternalServerError);
    expect(failed).toMatchObject({ status: 502, code: 'ERR_AI_ALL_FAILED' });
    expect(failed.headers?.get('x-ai-attempts')).toBe('1');
    expect(failed.requestID).toBe(failed.headers?.get('x-request-id'));
    expect(failed.requestID).toHaveLength(36);
  });

  it('does not reveal that the provider refused the app’s own key', async () => {
    const { client, provider } = await rig.open();
    provider.fault({ kind: 'unauthorized', calls: 1 });
    const failed = await apiErrorOf(client.chat.completions.create(BODY));
    expect(failed).toBeInstanceOf(InternalServerError);
    expect(JSON.stringify(failed.error)).not.toContain('sk-');
  });

  it('tells the OpenAI client not to retry if a retry would only add load', async () => {
    const { url, provider } = await rig.open();
    const eager = new OpenAI({ baseURL: url, apiKey: 'sk-shop' });
    provider.fault({ kind: 'err5xx' });
    const failed = await apiErrorOf(eager.chat.completions.create(BODY));
    expect(failed.headers?.get('x-should-retry')).toBe('false');
    expect(provider.requests).toHaveLength(1);
  });

  it('for a full queue tells to the millisecond when to retry, and the OpenAI client’s retry succeeds', async () => {
    // One call at once, then one every second.
    const endpoint = { rpm: 60, burstSeconds: 1 };
    const { url, client, balancer } = await rig.open({ endpoint, config: { queue: { maxSize: 1 } } });
    expect((await sendChat(url)).status).toBe(200);
    const waiting = client.chat.completions.create(BODY);
    await until(() => balancer.stats().queue.size === 1);
    const refused = await sendChat(url);
    expect(refused).toMatchObject({ status: 503, json: { error: { code: 'ERR_AI_SATURATED' } } });
    const ms = Number(refused.headers.get('retry-after-ms'));
    expect(ms).toBeGreaterThan(300);
    expect(Number(refused.headers.get('retry-after'))).toBe(Math.ceil(ms / 1_000));
    expect(refused.headers.get('x-should-retry')).toBeNull();
    expect((await waiting).choices).toHaveLength(1);
    const eager = client.withOptions({ maxRetries: 1 });
    expect((await eager.chat.completions.create(BODY)).choices).toHaveLength(1);
  });

  it('for a closing balancer closes the connection, so that a retry can reach another process', async () => {
    const { url, balancer } = await rig.open();
    await balancer.close();
    const { status, headers, json } = await sendChat(url);
    expect({ status, code: json?.error?.code }).toEqual({ status: 503, code: 'ERR_AI_CLOSED' });
    expect(headers.get('connection')).toBe('close');
    expect(headers.get('x-should-retry')).toBeNull();
  });

  it('has status 404 for an unknown path and 405 for a wrong method, and names both', async () => {
    const { url } = await rig.open();
    const none = await send(`${url}/audio/speech?x=1`, { method: 'POST' });
    expect(none).toMatchObject({
      status: 404,
      json: { error: { message: 'Unknown URL: POST /v1/audio/speech', code: 'unknown_url', param: null } },
    });
    const wrong = await send(`${url}/chat/completions`);
    expect(wrong).toMatchObject({ status: 405, json: { error: { code: 'method_not_supported' } } });
    expect(wrong.headers.get('allow')).toBe('POST');
    expect((await send(`${url}/models`, { method: 'DELETE' })).status).toBe(405);
    expect((await send(`${url}/models/%zz`)).json?.error).toMatchObject({ type: 'invalid_request_error' });
  });

  it('that a function of the app throws is passed to the app’s error handler', async () => {
    const classify = (): never => {
      throw new TypeError('no such table');
    };
    const { url, app } = await rig.open({ config: { classify } });
    const seen: unknown[] = [];
    const handler: express5.ErrorRequestHandler = (error, _req, res, _next) => {
      seen.push(error);
      res.status(500).json({ error: { message: 'We are on it.' } });
    };
    app.use(handler);
    for (const stream of [false, true]) {
      expect(await sendChat(url, { ...BODY, stream })).toMatchObject({
        status: 500,
        json: { error: { message: 'We are on it.' } },
      });
    }
    expect(seen).toEqual([expect.any(TypeError), expect.any(TypeError)]);
  });

  it('is not counted if the client has disconnected', async () => {
    const { client, provider, balancer } = await rig.open();
    provider.fault({ kind: 'silence' });
    const leaving = new AbortController();
    const left = client.embeddings.create({ model: EMBEDDING_MODEL, input: 'x' }, { signal: leaving.signal });
    await until(() => provider.stats().inFlight === 1);
    leaving.abort();
    await expect(left).rejects.toThrow('aborted');
    await until(() => provider.stats().aborted === 1);
    expect(balancer.stats().calls).toEqual({ ok: 0, failed: 0, shed: 0 });
  });
});
