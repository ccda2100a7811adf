import type { Balancer } from 'express-ai-balancer';
import { answer, BODY, inSequence, type Responder, Rig, rejection, statsOf } from '../failover/upstream';

const rig = new Rig();

const usage = (completion: number, prompt = 10) => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
});

/** Responds with a valid answer and the given headers. */
const withHeaders =
  (headers: Record<string, string>): Responder =>
  (arrival) => {
    for (const [name, value] of Object.entries(headers)) arrival.res.setHeader(name, value);
    answer()(arrival);
  };

const chat = (balancer: Balancer, tenant: string, options = {}, body = {}) =>
  balancer.chat({ ...BODY, ...body }, { tenant, ...options }).withRoute();

describe('Expected output learnt from long answers to one tenant', () => {
  it('does not keep other tenants from being served, even if an answer exceeded the limit per minute', async () => {
    const { balancer } = await rig.start(
      { a: inSequence(answer('Hello', usage(13_000)), answer()), b: answer() },
      { each: { a: { tpm: 12_000 }, b: { tpm: 12_000 } } },
    );
    await chat(balancer, 'long');
    const { route } = await chat(balancer, 'other');
    expect(route.endpoint).toBe('b');
    expect(
      balancer.explain(BODY, { tenant: 'other' }).verdicts.map(({ removedBy }) => removedBy),
    ).not.toContainEqual(expect.stringMatching(/exceed/));
  });

  it('does not delay calls of other tenants at an endpoint with free quota, even after 100 huge answers', async () => {
    const { balancer } = await rig.start(
      { a: answer('Hello', usage(100_000)), b: answer() },
      { each: { b: { tpm: 12_000 } } },
    );
    for (let n = 0; n < 100; n++) await chat(balancer, `t${n}`, { endpoint: 'a' });
    const routes = await Promise.all(
      ['x', 'y', 'z'].map((tenant) => chat(balancer, tenant, { endpoint: 'b' })),
    );
    expect(routes.map(({ route }) => route.endpoint)).toEqual(['b', 'b', 'b']);
    expect(routes.map(({ route }) => route.waitMs)).toEqual([0, 0, 0]);
  });

  it('does not refuse a call of another tenant because of its deadline', async () => {
    const { balancer } = await rig.start(
      { a: answer('Hello', usage(100_000)) },
      { models: { m: { latency: { firstTokenMs: 1, msPerPromptToken: 0, msPerOutputToken: 1 } } } },
    );
    for (let n = 0; n < 10; n++) await chat(balancer, `t${n}`);
    await expect(chat(balancer, 'other', { timeoutMs: 10_000 })).resolves.toBeDefined();
  });
});

describe('Usage reported in an answer', () => {
  it.each([
    ['the max_tokens of the call', { max_tokens: 50 }, {}, 50],
    ['max_tokens times the number of choices', { max_tokens: 50, n: 2 }, {}, 100],
    ["the endpoint's maxOutputTokens", {}, { maxOutputTokens: 400 }, 400],
    ['the context window', {}, { contextWindow: 2_000 }, 2_000],
  ])('is capped for output tokens at %s', async (_bound, body, endpoint, most) => {
    const { balancer } = await rig.start(
      { a: answer('Hello', usage(1e9)) },
      { each: { a: { tpm: 60_000, price: { input: 1, output: 1 }, ...endpoint } } },
    );
    const { data, route } = await balancer.chat({ ...BODY, ...body }).withRoute();
    expect(data.usage).toEqual(usage(most));
    expect(route.usage).toEqual(usage(most));
    expect(route.costUsd).toBeCloseTo((10 + most) / 1e6, 12);
    const stream = await balancer.chat({
      ...BODY,
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect((await last(stream))?.usage).toEqual(usage(most));
    expect(stream.route.usage).toEqual(usage(most));
    expect(statsOf(balancer, 'a').tokensLeft).toBeGreaterThanOrEqual(9_800 - 2 * (most + 10) - 1);
  });

  it('is capped for prompt tokens at a multiple of the estimate, which the caller’s own estimate cannot lower', async () => {
    const { balancer } = await rig.start({
      a: answer('Hello', usage(5, 1e9)),
      b: answer('Hi', usage(5, 3_000)),
    });
    const lied = await chat(balancer, 't', { endpoint: 'a' });
    expect(lied.route.usage?.prompt_tokens).toBeLessThan(2_000);
    const long = { messages: [{ role: 'user' as const, content: 'lorem ipsum '.repeat(1_500) }] };
    const { route } = await chat(balancer, 't', { endpoint: 'b', estimatedTokens: 1 }, long);
    expect(route.usage?.prompt_tokens).toBe(3_000);
  });

  it('of 1e9 tokens at one endpoint leaves the other endpoint usable, also after a reload', async () => {
    const { balancer, endpoints } = await rig.start(
      { a: answer('Hello', usage(1e9)), b: answer() },
      { each: { a: { tpm: 12_000 }, b: { tpm: 12_000 } } },
    );
    await chat(balancer, 'one');
    expect(statsOf(balancer, 'a').tokensLeft).toBeGreaterThan(-200_000);
    await balancer.reload({ endpoints, fallbacks: {} });
    for (const tenant of ['two', 'three']) {
      expect((await chat(balancer, tenant)).route.endpoint).toBe('b');
    }
  });

  it('is capped for audio and reasoning tokens at the prompt and the output that they are part of', async () => {
    const more = {
      ...usage(5),
      prompt_tokens: 1e15 + 1,
      prompt_tokens_details: { cached_tokens: 0, audio_tokens: 1e308 },
      completion_tokens: 1e15 + 1,
      completion_tokens_details: { reasoning_tokens: 1e308 },
    };
    const { balancer } = await rig.start({ a: answer('Hello', more) });
    const { route, data } = await chat(balancer, 't');
    const { prompt_tokens, completion_tokens } = route.usage!;
    expect(prompt_tokens).toBeLessThan(1e9);
    expect(completion_tokens).toBeLessThan(1e9);
    expect(route.usage?.prompt_tokens_details).toEqual({ cached_tokens: 0, audio_tokens: prompt_tokens });
    expect(route.usage?.completion_tokens_details).toEqual({ reasoning_tokens: completion_tokens });
    expect(data.usage).toEqual(route.usage);
  });

  it('is capped for cached tokens at the prompt', async () => {
    const more = { ...usage(5), prompt_tokens_details: { cached_tokens: 1e9 } };
    const { balancer } = await rig.start(
      { a: answer('Hello', more) },
      { each: { a: { price: { input: 2, output: 0, cachedInput: 1 } } } },
    );
    const { route } = await chat(balancer, 't');
    expect(route.usage?.prompt_tokens_details?.cached_tokens).toBe(10);
    expect(route.costUsd).toBeCloseTo(10 / 1e6, 12);
  });
});

describe('Limits in headers', () => {
  it('are ignored if a token limit is lower than what was just served', async () => {
    const { balancer } = await rig.start(
      {
        a: withHeaders({
          'x-ratelimit-limit-tokens': '1',
          'x-ratelimit-remaining-tokens': '0',
          'x-ratelimit-reset-tokens': '60s',
        }),
      },
      { each: { a: { tpm: 1_200_000 } } },
    );
    for (const tenant of ['one', 'two', 'three']) await expect(chat(balancer, tenant)).resolves.toBeDefined();
  });

  it('delay calls by at most a minute and refuse none for its size if the limit is low but possible', async () => {
    const { balancer } = await rig.start(
      {
        a: withHeaders({
          'x-ratelimit-limit-tokens': '60',
          'x-ratelimit-remaining-tokens': '30',
          'x-ratelimit-reset-tokens': '30s',
        }),
      },
      { each: { a: { tpm: 12_000 } } },
    );
    // The second call is larger than the bucket, so it starts once that is full and leaves a debt.
    for (const tenant of ['one', 'two']) await chat(balancer, tenant);
    const error = await rejection(balancer.chat(BODY, { timeoutMs: 300 }));
    expect(error).toMatchObject({ code: 'ERR_AI_SATURATED' });
    expect((error as { retryAfterMs: number }).retryAfterMs).toBeLessThanOrEqual(60_000);
  });
});

describe("A caller's own estimate", () => {
  it('of 2e8 output tokens overflows no timer, opens no breaker and leaves the endpoint available to others', async () => {
    const { balancer } = await rig.start({ a: answer() }, { each: { a: { tpm: 600_000 } } });
    for (let n = 0; n < 6; n++) await chat(balancer, 'wild', { estimatedOutputTokens: 2e8 });
    expect(statsOf(balancer, 'a')).toMatchObject({ state: 'closed', failures: 0 });
    await expect(chat(balancer, 'other')).resolves.toBeDefined();
  });
});

describe('reload()', () => {
  it('applies a changed tokensCharged', async () => {
    const { balancer, endpoints } = await rig.start(
      { a: answer() },
      { each: { a: { tpm: 6_000, burstSeconds: 100, tokensCharged: 'actual' } } },
    );
    await chat(balancer, 't', {}, { max_tokens: 5_000 });
    expect(statsOf(balancer, 'a').tokensLeft).toBeGreaterThan(9_700);
    await balancer.reload({
      endpoints: endpoints.map((endpoint) => ({ ...endpoint, tokensCharged: 'reserved' as const })),
      fallbacks: {},
    });
    await chat(balancer, 't', {}, { max_tokens: 5_000 });
    expect(statsOf(balancer, 'a').tokensLeft).toBeLessThan(6_000);
  });

  it('applies a changed latency in a model profile', async () => {
    const { balancer, endpoints } = await rig.start(
      { a: answer(), b: answer() },
      { each: { a: { tier: 0 }, b: { tier: 0, model: 'n' } }, strategy: 'lowest-latency' },
    );
    const latency = (firstTokenMs: number) => ({
      latency: { firstTokenMs, msPerPromptToken: 0, msPerOutputToken: 0 },
    });
    for (const [m, n, pick] of [
      [100, 9_000, 'a'],
      [9_000, 100, 'b'],
    ] as const) {
      await balancer.reload({
        endpoints,
        fallbacks: {},
        strategy: 'lowest-latency',
        models: { m: latency(m), n: latency(n) },
      });
      expect(balancer.explain({ ...BODY, model: 'auto' }).pick).toBe(pick);
    }
  });

  it('applies a changed provider', async () => {
    const { balancer, endpoints } = await rig.start({ a: answer() });
    expect((await chat(balancer, 't')).route.provider).toBe('openai');
    await balancer.reload({
      endpoints: endpoints.map((endpoint) => ({ ...endpoint, provider: 'groq' })),
      fallbacks: {},
    });
    expect((await chat(balancer, 't')).route.provider).toBe('groq');
    expect(statsOf(balancer, 'a').provider).toBe('groq');
  });
});

async function last<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  let latest: T | undefined;
  for await (const item of items) latest = item;
  return latest;
}
