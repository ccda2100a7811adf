import {
  answer,
  BODY,
  chatText,
  error,
  PROMPT,
  Rig,
  rejection,
  silence,
  statsOf,
  until,
} from '../failover/upstream';

const rig = new Rig();
const messages = [{ role: 'user' as const, content: 'Hello' }];
const FOUR = { gpt: answer('gpt'), gpt2: answer('gpt2'), claude: answer('claude'), local: answer('local') };
const MODELS = {
  gpt: { model: 'gpt', aliases: ['best'] },
  gpt2: { model: 'gpt' },
  claude: { model: 'claude', aliases: ['clever'] },
  local: { model: 'local' },
};

async function endpointsFor(
  model: string | undefined,
  { failing = [] as string[], fallbacks = {}, options = {} } = {},
): Promise<string[]> {
  const plays = Object.fromEntries(
    Object.entries(FOUR).map(([name, play]) => [name, failing.includes(name) ? error(401) : play]),
  );
  const { balancer, upstream } = await rig.start(plays, { each: MODELS, fallbacks });
  await balancer
    .chat({ messages, ...(model === undefined ? {} : { model }) }, options)
    .then(undefined, () => undefined);
  return upstream.requests.map(({ name }) => name);
}

describe('Model lookup', () => {
  it('finds the endpoints of a model by name and by alias', async () => {
    expect(await endpointsFor('claude')).toEqual(['claude']);
    expect(await endpointsFor('clever')).toEqual(['claude']);
    expect(await endpointsFor('best', { failing: ['gpt'] })).toEqual(['gpt']);
    expect(await endpointsFor('gpt', { failing: ['gpt', 'gpt2'] })).toEqual(['gpt', 'gpt2']);
  });

  it('sends the model name of the endpoint, not the alias of the call', async () => {
    const { balancer, upstream } = await rig.start(FOUR, { each: MODELS });
    await balancer.chat({ messages, model: 'clever' });
    expect(upstream.requests[0]!.body['model']).toBe('claude');
  });

  it("considers every endpoint for a call without a model or with 'auto'", async () => {
    for (const model of [undefined, 'auto']) {
      expect(await endpointsFor(model, { failing: ['gpt', 'gpt2', 'claude'] })).toEqual([
        'gpt',
        'gpt2',
        'claude',
        'local',
      ]);
    }
  });

  it('fails a call for an unknown model with an error that lists the configured models', async () => {
    const { balancer } = await rig.start(FOUR, { each: MODELS });
    await expect(balancer.chat({ messages, model: 'gpt-9' })).rejects.toMatchObject({
      code: 'ERR_AI_NO_ENDPOINT',
      status: 404,
      param: 'model',
      message: expect.stringMatching(/'gpt-9'.*gpt, best, claude, clever, local/) as string,
    });
  });

  it('truncates and cleans the name of an unknown model in the error message', async () => {
    const { balancer } = await rig.start(FOUR, { each: MODELS });
    const failed = (await rejection(
      balancer.chat({ messages, model: `x\n\u001b[31m${'y'.repeat(5_000)}` }),
    )) as Error;
    expect(failed.message).not.toMatch(/[\n\u001b]/);
    expect(failed.message.length).toBeLessThan(400);
  });
});

describe('Fallback models', () => {
  it('are tried in the configured order after all endpoints of the model', async () => {
    const fallbacks = { gpt: ['local', 'claude'] };
    expect(await endpointsFor('gpt', { fallbacks, failing: ['gpt', 'gpt2', 'local'] })).toEqual([
      'gpt',
      'gpt2',
      'local',
      'claude',
    ]);
  });

  it("of '*' apply to every model without its own list", async () => {
    const fallbacks = { '*': ['local'], claude: ['gpt'] };
    expect(await endpointsFor('gpt', { fallbacks, failing: ['gpt', 'gpt2'] })).toEqual([
      'gpt',
      'gpt2',
      'local',
    ]);
    expect(await endpointsFor('claude', { fallbacks, failing: ['claude'] })).toEqual(['claude', 'gpt']);
  });

  it('also apply to aliases of a model', async () => {
    expect(await endpointsFor('clever', { fallbacks: { claude: ['local'] }, failing: ['claude'] })).toEqual([
      'claude',
      'local',
    ]);
  });

  it('that form a cycle are each tried once', async () => {
    const failing = ['gpt', 'gpt2', 'claude'];
    const eachOnce = ['gpt', 'gpt2', 'claude'];
    expect(await endpointsFor('gpt', { fallbacks: { gpt: ['claude'], claude: ['gpt'] }, failing })).toEqual(
      eachOnce,
    );
    const options = { fallbacks: ['claude', 'gpt', 'best', 'claude'] };
    expect(await endpointsFor('gpt', { failing, options })).toEqual(eachOnce);
  });

  it('of the call replace those of the configuration, and false turns them off', async () => {
    const fallbacks = { claude: ['gpt'] };
    const failing = ['claude'];
    expect(
      await endpointsFor('claude', { fallbacks, failing, options: { fallbacks: ['local', 'unheard-of'] } }),
    ).toEqual(['claude', 'local']);
    expect(await endpointsFor('claude', { fallbacks, failing, options: { fallbacks: false } })).toEqual([
      'claude',
    ]);
  });

  it('are never used for embeddings, whose vectors cannot be mixed across models', async () => {
    const { balancer, upstream } = await rig.start(
      { a: error(500, {}, { 'x-should-retry': 'false' }), b: answer() },
      { each: { a: { model: 'embed-a' }, b: { model: 'embed-b' } }, fallbacks: { 'embed-a': ['embed-b'] } },
    );
    await expect(balancer.embeddings({ model: 'embed-a', input: 'x' })).rejects.toMatchObject({
      code: 'ERR_AI_ALL_FAILED',
    });
    await expect(balancer.embeddings({ model: 'auto', input: 'x' })).rejects.toMatchObject({ status: 400 });
    expect(upstream.count('b')).toBe(0);
  });
});

describe('A later tier', () => {
  const each = (first: object) => ({ first: { ...first, tier: 0 }, second: { tier: 1 } });
  const fast = { models: { m: { latency: { firstTokenMs: 1, msPerPromptToken: 0, msPerOutputToken: 0 } } } };

  it('is not used while an earlier endpoint can start the call', async () => {
    const { balancer, upstream } = await rig.start({ first: answer(), second: answer() }, { each: each({}) });
    await Promise.all(Array.from({ length: 20 }, () => chatText(balancer, false)));
    expect(upstream.count('second')).toBe(0);
  });

  it('is used if no earlier endpoint can start the call within 250 ms', async () => {
    // The bucket holds one request and refills in about two seconds.
    const { balancer, upstream } = await rig.start(
      { first: answer(), second: answer() },
      { ...fast, each: each({ rpm: 30, burstSeconds: 2.04 }) },
    );
    await chatText(balancer, false);
    const { route } = await chatText(balancer, false);
    expect(route.endpoint).toBe('second');
    expect(route.waitMs).toBe(0);
    expect(upstream.count('first')).toBe(1);
  });

  it('is not used if an earlier endpoint can start the call within 250 ms, for which the call waits', async () => {
    const { balancer } = await rig.start(
      { first: answer(), second: answer() },
      { ...fast, each: each({ rpm: 600, burstSeconds: 0.102 }) },
    );
    const [, { route }] = await Promise.all([chatText(balancer, false), chatText(balancer, false)]);
    expect(route.endpoint).toBe('first');
    expect(route.waitMs).toBeGreaterThan(20);
  });

  it('is used if the quota of the earlier endpoint refills within 250 ms, but for a call that waits already', async () => {
    const { balancer, upstream } = await rig.start(
      { first: answer(), second: answer() },
      { ...fast, each: each({ rpm: 600, burstSeconds: 0.102 }) },
    );
    const calls = await Promise.all(Array.from({ length: 12 }, () => chatText(balancer, false)));
    expect(upstream.count('second')).toBeGreaterThanOrEqual(6);
    for (const { route } of calls) expect(route.waitMs).toBeLessThan(1_000);
  });

  it('is used if the earlier endpoint has maxConcurrent calls in flight', async () => {
    const { balancer, upstream } = await rig.start(
      { first: silence, second: answer() },
      { each: each({ maxConcurrent: 1 }) },
    );
    const caller = new AbortController();
    const first = rejection(balancer.chat(BODY, { signal: caller.signal }));
    await until(() => upstream.count('first') === 1);
    const { route } = await chatText(balancer, false, { timeoutMs: 20_000 });
    expect(route.endpoint).toBe('second');
    caller.abort();
    await first;
  });
});

describe('A call that finds no quota left', () => {
  it('waits and starts as soon as the quota refills', async () => {
    const { balancer, upstream } = await rig.start(
      { a: answer() },
      { each: { a: { rpm: 120, burstSeconds: 1.5 } } },
    );
    const calls = await Promise.all(Array.from({ length: 8 }, () => chatText(balancer, false)));
    expect(calls.map(({ text }) => text)).toEqual(Array.from({ length: 8 }, () => 'Hello'));
    const times = upstream.requests.map(({ at }) => at);
    // Two calls start at once, then one every 510 ms.
    expect(times[7]! - times[0]!).toBeGreaterThan(2_000);
    expect(calls.filter(({ route }) => route.waitMs > 0).length).toBeGreaterThanOrEqual(5);
  });

  it('is shed at once with retryAfterMs if the quota refills only after its deadline', async () => {
    const { balancer } = await rig.start({ a: answer() }, { each: { a: { rpm: 6, burstSeconds: 10 } } });
    await chatText(balancer, false);
    const from = performance.now();
    await expect(balancer.chat(BODY, { timeoutMs: 5_000 })).rejects.toMatchObject({
      code: 'ERR_AI_SATURATED',
      status: 503,
      retryable: true,
      retryAfterMs: expect.any(Number) as number,
    });
    expect(performance.now() - from).toBeLessThan(4_000);
    expect(balancer.stats().calls.shed).toBe(1);
  });

  it('fails at once if it exceeds the limit per minute, and does not block later calls', async () => {
    const { balancer, upstream } = await rig.start({ a: answer() }, { each: { a: { tpm: 2_000 } } });
    const large = { ...BODY, messages: [{ role: 'user' as const, content: PROMPT.repeat(600) }] };
    const failed = (await rejection(balancer.chat(large))) as Error;
    expect(failed).toMatchObject({ code: 'ERR_AI_NO_ENDPOINT' });
    expect(failed.message).toMatch(/quota: \d+ tokens exceed the limit of 2000 tokens per minute/);
    expect(failed.message).not.toContain(PROMPT);
    expect(upstream.count('a')).toBe(0);
    await chatText(balancer, false);
    expect(statsOf(balancer, 'a').inFlight).toBe(0);
  });
});
