import {
  type AiGatewayOptions,
  aiBalancer,
  aiGateway,
  type GatewayIdentity,
  rateLimitGuard,
  smartRouter,
} from 'express-ai-balancer';
import type OpenAI from 'openai';
import { RateLimitError } from 'openai';
import { until } from '../helpers/provider';
import { apiErrorOf, BODY, EMBEDDING_MODEL, GatewayRig, send, sendChat } from './fixtures/gateway';

const rig = new GatewayRig();
const tenantOfKey = (req: { get(name: string): string | undefined }) =>
  ({ 'Bearer sk-acme': 'acme', 'Bearer sk-other': 'other' })[req.get('authorization') ?? ''];
const withKey = (client: OpenAI, apiKey: string) => client.withOptions({ apiKey });

describe('The options of aiGateway()', () => {
  it.each([
    [undefined, /gateway: expected an object/],
    [{}, /gateway\.authenticate: expected a function of the request, or false .*, got undefined/],
    [{ authenticate: true }, /gateway\.authenticate/],
    [{ authenticate: false, maxBodyBytes: 0 }, /gateway\.maxBodyBytes/],
    [{ authenticate: false, headerDelayMs: Number.NaN }, /gateway\.headerDelayMs/],
    [{ authenticate: false, guard: 'yes' }, /gateway\.guard/],
    [{ authenticate: false, guard: { rpm: -1 } }, /guard\.rpm/],
    [{ autenticate: () => true }, /did you mean 'authenticate'/],
  ])('%j throw ERR_AI_CONFIG at start-up', async (options, message) => {
    const { balancer } = await rig.open();
    const make = () => aiGateway(balancer, options as unknown as AiGatewayOptions);
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_AI_CONFIG' }) as Error);
    expect(make).toThrow(message);
  });

  it('are refused without a balancer', () => {
    expect(() => aiGateway({} as never, { authenticate: false })).toThrow(
      /gateway\.balancer: expected a Balancer/,
    );
  });
});

describe('authenticate() of aiGateway()', () => {
  it.each<[GatewayIdentity, number]>([
    [true, 200],
    ['acme', 200],
    [{}, 200],
    [{ tenant: 'acme', priority: 5 }, 200],
    [false, 401],
    [undefined, 401],
    [null, 401],
    ['', 401],
  ])('that returns or resolves to %j gives status %i', async (identity, status) => {
    for (const authenticate of [() => identity, () => Promise.resolve(identity)]) {
      const { url, provider } = await rig.open({ gateway: { authenticate } });
      const answer = await sendChat(url);
      expect(answer.status).toBe(status);
      expect(provider.requests).toHaveLength(status === 200 ? 1 : 0);
      if (status === 401) {
        expect(answer.json?.error).toMatchObject({ type: 'authentication_error', code: 'invalid_api_key' });
        expect(answer.headers.get('www-authenticate')).toBe('Bearer');
        expect(answer.headers.get('x-request-id')).toHaveLength(36);
      }
    }
  });

  it('protects every path, including unknown ones, before the body is read', async () => {
    const { url } = await rig.open({ gateway: { authenticate: () => false } });
    for (const path of ['/models', '/models/gpt-4o', '/nothing', '/embeddings', '/chat/completions']) {
      expect((await send(url + path)).status).toBe(401);
    }
    expect((await sendChat(url, '{')).status).toBe(401);
  });

  it('admits everyone if it is set to false', async () => {
    const { url } = await rig.open({ gateway: { authenticate: false } });
    expect((await send(`${url}/models`, { key: '' })).status).toBe(200);
  });

  it('passes an Error that it rejects with to the app’s error handler, unless the Error has a 4xx status', async () => {
    const failing = async (error: Error) => {
      const authenticate = () => Promise.reject(error);
      return send(`${(await rig.open({ gateway: { authenticate } })).url}/models`);
    };
    expect((await failing(new Error('the store is down'))).status).toBe(500);
    const refusal = Object.assign(new Error('Your plan has ended.'), { status: 403, expose: true });
    expect(await failing(refusal)).toMatchObject({
      status: 403,
      json: { error: { message: 'Your plan has ended.', type: 'permission_error' } },
    });
    const secret = Object.assign(new Error('no row for sk-acme'), { status: 403 });
    expect((await failing(secret)).text).not.toContain('sk-acme');
  });

  it.each<[string, unknown]>([
    ['a priority of 7', { priority: 7 }],
    ['an unknown field', { tennant: 'acme' }],
    ['an Error', new Error('no such key')],
    ['an Error with fields', Object.assign(new Error('no such key'), { code: 'E_KEY' })],
    ['a Map', new Map()],
    ['a boxed false', Object(false)],
    ['an array', []],
    ['a number', 1],
    ['0', 0],
    ['NaN', Number.NaN],
    ['a symbol', Symbol('acme')],
    ['a function', () => true],
    ['a tenant that is too long', 'x'.repeat(513)],
  ])('causes status 500, not 400, if it returns %s, which is not a valid identity', async (_, identity) => {
    const { url, provider } = await rig.open({ gateway: { authenticate: () => identity as never } });
    expect((await sendChat(url)).status).toBe(500);
    expect(provider.requests).toHaveLength(0);
  });
});

describe('The tenant that authenticate() of aiGateway() returns', () => {
  it.each([
    ['the gateway’s own guard', { guard: { rpm: 1 } }, undefined],
    [
      'the guard of aiBalancer() in front',
      {},
      (balancer: Parameters<typeof aiBalancer>[0]) => [aiBalancer(balancer, { guard: { rpm: 1 } })],
    ],
  ])('is counted by %s', async (_, more, before) => {
    const { client } = await rig.open({ gateway: { authenticate: tenantOfKey, ...more }, before });
    for (const key of ['sk-acme', 'sk-other']) {
      const { completions } = withKey(client, key).chat;
      const { response } = await completions.create(BODY).withResponse();
      expect(response.headers.get('ratelimit-policy')).toBe('"ai-requests";q=1;w=60');
      expect(response.headers.get('ratelimit')).toMatch(/^"ai-requests";r=0;t=\d+$/);
      const refused = await apiErrorOf(completions.create({ ...BODY, stream: true }));
      expect(refused).toBeInstanceOf(RateLimitError);
      expect(refused.code).toBe('ERR_AI_TENANT_LIMIT');
      expect(refused.headers?.get('ratelimit')).toMatch(/^"ai-requests";r=0;t=\d+$/);
      const seconds = Number(refused.headers?.get('retry-after'));
      expect(seconds).toBeGreaterThan(50);
      expect(Number(refused.headers?.get('retry-after-ms'))).toBeGreaterThan((seconds - 1) * 1_000);
      expect(refused.headers?.get('x-should-retry')).toBeNull();
    }
    // Listing the models is not counted.
    expect((await withKey(client, 'sk-acme').models.list()).data).toHaveLength(2);
  });

  it('is limited by tokens and dollars, whole and streamed, with x-should-retry: false for its client', async () => {
    const { client } = await rig.open({
      gateway: { authenticate: tenantOfKey, guard: { tpm: 1_000_000, usdPerDay: 0.000_001 } },
    });
    const { completions } = withKey(client, 'sk-acme').chat;
    for await (const _ of await completions.create({ ...BODY, stream: true }));
    const refused = await apiErrorOf(completions.create(BODY));
    expect(refused).toBeInstanceOf(RateLimitError);
    expect(refused.headers?.get('x-should-retry')).toBe('false');
    expect(
      (await withKey(client, 'sk-other').embeddings.create({ model: EMBEDDING_MODEL, input: 'x' })).data,
    ).toHaveLength(1);
  });

  it('is unknown to a rateLimitGuard() mounted in front, which uses its own tenant(req)', async () => {
    const { client } = await rig.open({
      gateway: { authenticate: tenantOfKey },
      before: (balancer) => [rateLimitGuard(balancer, { tenant: tenantOfKey, rpm: 1 })],
    });
    for (const key of ['sk-acme', 'sk-other']) {
      const { completions } = withKey(client, key).chat;
      await completions.create(BODY);
      expect(await apiErrorOf(completions.create(BODY))).toBeInstanceOf(RateLimitError);
    }
  });

  it('is queued with the priority that authenticate() returns, which a client cannot raise with a header', async () => {
    const authenticate = (req: Parameters<typeof tenantOfKey>[0]) => ({
      tenant: tenantOfKey(req),
      priority: tenantOfKey(req) === 'acme' ? (5 as const) : (1 as const),
    });
    // One call at once, then one every 200 ms.
    const { client, balancer, provider } = await rig.open({
      gateway: { authenticate },
      before: (balancer) => [smartRouter(balancer, { allowHeaders: true })],
      endpoint: { rpm: 300, burstSeconds: 0.2 },
    });
    await withKey(client, 'sk-acme').chat.completions.create(BODY);
    const body = (user: string) => ({ ...BODY, user });
    const pushy = { headers: { 'x-ai-priority': '5' } };
    const poor = withKey(client, 'sk-other').chat.completions.create(body('poor'), pushy);
    await until(() => balancer.stats().queue.size === 1);
    const rich = withKey(client, 'sk-acme').chat.completions.create(body('rich'));
    await until(() => balancer.stats().queue.size === 2);
    expect(balancer.stats().queue.byPriority).toMatchObject({ 1: 1, 5: 1 });
    await Promise.all([poor, rich]);
    const users = provider.requests.map((sent) => (sent.body as { user?: string }).user);
    expect(users).toEqual([undefined, 'rich', 'poor']);
  });
});
