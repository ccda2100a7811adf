import express from 'express';
import { aiBalancer, aiGateway, createFetch } from 'express-ai-balancer';
import request from 'supertest';
import { AnswerStore } from '../../lib/failover/sharing/answer-store';
import { openaiDialect } from '../../lib/provider/openai/openai-dialect';
import { answer, BODY, error, inSequence, Rig, rejection, silence, until } from './upstream';

const rig = new Rig();
const KEY = { idempotencyKey: 'k1' };
const OTHER = { ...BODY, messages: [{ role: 'user' as const, content: 'something else' }] };

describe('idempotency: a call with a key', () => {
  it('is sent once: a later call gets a copy of the answer', async () => {
    const { balancer, upstream } = await rig.start({ a: answer() }, { idempotency: true });
    const first = await balancer.chat(BODY, KEY);
    const { data, route } = await balancer.chat(BODY, KEY).withRoute();
    expect(data).toEqual(first);
    expect(data).not.toBe(first);
    expect(route).toMatchObject({
      shared: 'replayed',
      endpoint: 'a',
      attempts: [],
      costUsd: 0,
      wastedTokens: 0,
    });
    expect(route.usage).toBeUndefined();
    expect(upstream.count('a')).toBe(1);
  });

  it('joins a running call with the same key', async () => {
    const { balancer, upstream } = await rig.start(
      { a: (arrival) => setTimeout(() => answer()(arrival), 60) },
      { idempotency: true },
    );
    const served = await Promise.all([1, 2].map(() => balancer.chat(BODY, KEY).withRoute()));
    expect(served.map(({ route }) => route.shared)).toEqual([undefined, 'joined']);
    expect(upstream.count('a')).toBe(1);
  });

  it('ends at its own deadline, not at that of the call it joined', async () => {
    const { balancer, upstream } = await rig.start(
      { a: (arrival) => setTimeout(() => answer()(arrival), 300) },
      { idempotency: true },
    );
    const waiting = balancer.chat(BODY, KEY);
    await until(() => upstream.count('a') === 1);
    const hasty = await rejection(balancer.chat(BODY, { ...KEY, timeoutMs: 40 }));
    expect(hasty).toMatchObject({ code: 'ERR_AI_DEADLINE', status: 504 });
    expect((await waiting).object).toBe('chat.completion');
  });

  it('is sent again for a caller with time left when the deadline of the first caller has ended the call', async () => {
    const { balancer, upstream } = await rig.start(
      { a: (arrival) => (arrival.nth === 1 ? undefined : answer('late')(arrival)) },
      { idempotency: true },
    );
    const first = rejection(balancer.chat(BODY, { ...KEY, timeoutMs: 1_000 }));
    await until(() => upstream.count('a') === 1);
    const others = [1, 2].map(() => balancer.chat(BODY, { ...KEY, timeoutMs: 20_000 }).withRoute());
    expect(await first).toMatchObject({ code: 'ERR_AI_DEADLINE' });
    const served = await Promise.all(others);
    expect(served.map(({ data }) => data.choices[0]?.message.content)).toEqual(['late', 'late']);
    expect(served.map(({ route }) => route.shared)).toEqual([undefined, 'joined']);
    expect(upstream.count('a')).toBe(2);
  });

  it('is refused if the body differs, whether the first call is still running or has been answered', async () => {
    const { balancer, upstream } = await rig.start({ a: answer() }, { idempotency: true });
    const running = balancer.chat(BODY, KEY);
    const refused = { code: 'ERR_AI_BAD_REQUEST', status: 400, param: 'idempotencyKey' };
    expect(await rejection(balancer.chat(OTHER, KEY))).toMatchObject(refused);
    await running;
    expect(await rejection(balancer.chat(OTHER, KEY))).toMatchObject(refused);
    expect(upstream.count('a')).toBe(1);
  });

  it('is sent again after a failure, and after all callers have left', async () => {
    const { balancer, upstream } = await rig.start(
      { a: inSequence(error(400), silence, answer()) },
      { idempotency: true },
    );
    await rejection(balancer.chat(BODY, KEY));
    const caller = new AbortController();
    const left = rejection(balancer.chat(BODY, { ...KEY, signal: caller.signal }));
    await until(() => upstream.count('a') === 2);
    caller.abort();
    await left;
    expect((await balancer.chat(BODY, KEY)).object).toBe('chat.completion');
    expect(upstream.count('a')).toBe(3);
  });

  it('is never joined with a call of another tenant', async () => {
    const { balancer, upstream } = await rig.start({ a: answer() }, { idempotency: true });
    await balancer.chat(BODY, { ...KEY, tenant: 'x' });
    await balancer.chat(OTHER, { ...KEY, tenant: 'y' });
    await balancer.chat(OTHER, KEY);
    expect(upstream.count('a')).toBe(3);
  });

  it('is an ordinary call if idempotency is off', async () => {
    const { balancer, upstream } = await rig.start({ a: answer() });
    await balancer.chat(BODY, KEY);
    await balancer.chat(OTHER, KEY);
    expect(upstream.count('a')).toBe(2);
  });

  it("is answered even if a custom dialect returns an answer that can't be cloned or stored", async () => {
    const own = {
      ...openaiDialect,
      answer: (http: never, call: never) => ({
        ...openaiDialect.answer(http, call),
        size: 1n,
        tell: () => 1,
      }),
    };
    const { balancer, upstream } = await rig.start(
      { a: answer() },
      { idempotency: true, each: { a: { provider: 'own' } }, dialects: { own } },
    );
    for (let n = 0; n < 2; n++) expect((await balancer.chat(BODY, KEY)).object).toBe('chat.completion');
    expect(upstream.count('a')).toBe(2);
    expect(balancer.stats().calls.ok).toBe(2);
  });

  it('is refused if the key is empty', async () => {
    const { balancer } = await rig.start({ a: answer() });
    expect(await rejection(balancer.chat(BODY, { idempotencyKey: '' }))).toMatchObject({
      code: 'ERR_AI_BAD_REQUEST',
      param: 'idempotencyKey',
    });
  });
});

describe('idempotency: the header Idempotency-Key', () => {
  it('makes the gateway send a repeated request once', async () => {
    const { balancer, upstream } = await rig.start({ a: answer() }, { idempotency: true });
    const app = express().use(
      '/v1',
      aiGateway(balancer, { authenticate: (req) => req.get('authorization') }),
    );
    const post = (tenant: string, body: object) =>
      request(app)
        .post('/v1/chat/completions')
        .set({ authorization: tenant, 'idempotency-key': 'order-7' })
        .send(body);
    const [first, again] = [await post('x', BODY), await post('x', BODY)];
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.body).toEqual(first.body);
    expect(again.headers['x-ai-attempts']).toBe('0');
    expect((await post('x', OTHER)).status).toBe(400);
    expect((await post('y', OTHER)).status).toBe(200);
    expect(upstream.count('a')).toBe(2);
  });

  it('makes createFetch() send a repeated request once, also with a long key', async () => {
    const { balancer, upstream } = await rig.start({ a: answer() }, { idempotency: true });
    const post = (key: string) =>
      createFetch(balancer)('http://balancer/v1/chat/completions', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify(BODY),
      });
    const long = 'k'.repeat(2_000);
    for (const key of [long, long, 'short']) expect((await post(key)).status).toBe(200);
    expect(upstream.count('a')).toBe(2);
  });

  it('applies to each call of a handler, in order', async () => {
    const { balancer, upstream } = await rig.start({ a: answer() }, { idempotency: true });
    const app = express();
    app.use(aiBalancer(balancer));
    app.post('/', async (req, res) => {
      const [one, two] = [await req.ai.chat(BODY), await req.ai.chat(OTHER)];
      res.json([one.id, two.id]);
    });
    for (let n = 0; n < 2; n++) {
      const response = await request(app).post('/').set('idempotency-key', 'k'.repeat(2_000));
      expect(response.status).toBe(200);
    }
    expect(upstream.count('a')).toBe(2);
  });
});

describe('idempotency: the answer store', () => {
  const route = { endpoint: 'a', provider: 'p', model: 'm' } as never;
  const dataOf = (size: number) => ({ id: 'x'.repeat(size) }) as never;

  it('forgets an answer after an hour', () => {
    jest.useFakeTimers();
    const store = new AnswerStore();
    store.set('k', { digest: 'p', data: dataOf(1), route });
    jest.advanceTimersByTime(3_599_999);
    expect(store.get('k')?.digest).toBe('p');
    jest.advanceTimersByTime(2);
    expect(store.get('k')).toBeUndefined();
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
  });

  it('holds at most 10,000 answers and 32 Mi characters, and evicts the least recently used', () => {
    const store = new AnswerStore();
    for (let n = 0; n < 10_000; n++) store.set(`${n}`, { digest: 'p', data: dataOf(1), route });
    expect(store.get('0')).toBeDefined();
    store.set('one more', { digest: 'p', data: dataOf(1), route });
    expect([store.get('0'), store.get('1')].map((found) => found !== undefined)).toEqual([true, false]);
    store.set('large', { digest: 'p', data: dataOf(32 * 1024 * 1024 - 100), route });
    expect(store.get('large')).toBeDefined();
    expect(store.get('5000')).toBeUndefined();
    store.set('too large', { digest: 'p', data: dataOf(33 * 1024 * 1024), route });
    expect(store.get('too large')).toBeUndefined();
  });
});
