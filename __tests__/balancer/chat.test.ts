import { getEventListeners } from 'node:events';
import { AiBalancerError } from 'express-ai-balancer';
import { endpointAt, HELLO, Rig, rejection, until } from '../helpers/provider';

const rig = new Rig();

describe('Balancer.chat()', () => {
  it('returns the OpenAI answer unchanged', async () => {
    const provider = await rig.provider({ reply: () => 'On its way.' });
    const answer = await rig.balancer([endpointAt(provider)]).chat(HELLO);
    expect(answer).toMatchObject({
      object: 'chat.completion',
      model: 'gpt-4o',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'On its way.' } }],
    });
    expect(answer.usage?.total_tokens).toBeGreaterThan(0);
  });

  it('passes unknown fields of the body and of its messages through', async () => {
    const provider = await rig.provider();
    const messages = [{ role: 'user', content: 'hi', name: 'ann', x_cache: { ttl: 5 } }];
    await rig.balancer([endpointAt(provider)]).chat({ model: 'gpt-4o', messages, seed: 7, x_new: ['a'] });
    expect(provider.requests[0]?.body).toMatchObject({ model: 'gpt-4o', messages, seed: 7, x_new: ['a'] });
  });

  it('does not change the body', async () => {
    const provider = await rig.provider();
    const body = { messages: HELLO.messages, stream: true as const };
    const before = structuredClone(body);
    for await (const _chunk of await rig.balancer([endpointAt(provider)]).chat(body));
    expect(body).toEqual(before);
  });

  it("lets the router choose the model if it is 'auto' or absent", async () => {
    const provider = await rig.provider();
    const balancer = rig.balancer([endpointAt(provider)]);
    await balancer.chat({ messages: HELLO.messages });
    await balancer.chat({ ...HELLO, model: 'auto' });
    expect(provider.requests.map(({ model }) => model)).toEqual(['gpt-4o', 'gpt-4o']);
  });

  it('serves a call for an alias with the model of the endpoint', async () => {
    const provider = await rig.provider();
    const balancer = rig.balancer([endpointAt(provider, { aliases: ['helpdesk'] })]);
    await balancer.chat({ ...HELLO, model: 'helpdesk' });
    expect(provider.requests[0]?.model).toBe('gpt-4o');
  });

  it('resolves withRoute() to a report of how the call was served', async () => {
    const [sick, well] = [await rig.provider(), await rig.provider()];
    sick.fault({ kind: 'err5xx' });
    const balancer = rig.balancer([
      endpointAt(sick, { name: 'sick' }),
      endpointAt(well, { name: 'well', tier: 1, price: { input: 2, output: 8 } }),
    ]);
    const { data, route } = await balancer.chat(HELLO, { requestId: 'r-1' }).withRoute();
    expect(data.object).toBe('chat.completion');
    expect(route).toMatchObject({
      requestId: 'r-1',
      endpoint: 'well',
      provider: 'openai',
      model: 'gpt-4o',
      attempts: [{ endpoint: 'sick', class: 'server', status: 500 }, { endpoint: 'well' }],
      usage: data.usage,
    });
    expect(route.attempts[1]).not.toHaveProperty('class');
    const { prompt_tokens: prompt, completion_tokens: output } = data.usage!;
    expect(route.costUsd).toBeCloseTo((prompt * 2 + output * 8) / 1e6, 12);
    expect(route.totalMs).toBeGreaterThanOrEqual(0);
  });

  it('sends a call with the option endpoint only to that endpoint', async () => {
    const [a, b] = [await rig.provider(), await rig.provider()];
    const balancer = rig.balancer([endpointAt(a, { name: 'a', weight: 1000 }), endpointAt(b, { name: 'b' })]);
    for (let call = 0; call < 5; call += 1) await balancer.chat(HELLO, { endpoint: 'b' });
    expect(b.stats().answered).toBe(5);
    const error = await rejection(balancer.chat(HELLO, { endpoint: 'c' }));
    expect(error).toMatchObject({ code: 'ERR_AI_NO_ENDPOINT', status: 404 });
  });

  it('rejects with status 404 and the name of the model if no endpoint serves it', async () => {
    const balancer = rig.balancer([endpointAt(await rig.provider())]);
    const error = await rejection(balancer.chat({ ...HELLO, model: 'gpt-9' }));
    expect(error).toMatchObject({ code: 'ERR_AI_NO_ENDPOINT', status: 404, param: 'model' });
    expect((error as Error).message).toContain('gpt-9');
    expect((error as Error).message).toContain('gpt-4o');
  });

  it('cancels the upstream call when its signal aborts, and frees the attempt slot', async () => {
    const provider = await rig.provider();
    provider.fault({ kind: 'silence' });
    const balancer = rig.balancer([endpointAt(provider)]);
    const leaving = new AbortController();
    const call = balancer.chat(HELLO, { signal: leaving.signal });
    await until(() => provider.stats().inFlight === 1);
    leaving.abort();
    expect(await rejection(call)).toMatchObject({ code: 'ERR_AI_ABORTED', status: 499 });
    await until(() => provider.stats().inFlight === 0);
    expect(balancer.stats().endpoints[0]).toMatchObject({ inFlight: 0, state: 'closed', failures: 0 });
    expect(balancer.stats().calls).toEqual({ ok: 0, failed: 0, shed: 0 });
  });

  it('aborts all calls that share a signal, without a warning of Node.js about a listener leak', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const provider = await rig.provider();
    provider.fault({ kind: 'silence' });
    const balancer = rig.balancer([endpointAt(provider)]);
    const leaving = new AbortController();
    const calls = Array.from({ length: 30 }, () =>
      rejection(balancer.chat(HELLO, { signal: leaving.signal })),
    );
    await until(() => provider.stats().inFlight === 30);
    expect(getEventListeners(leaving.signal, 'abort')).toHaveLength(1);
    leaving.abort();
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ code: 'ERR_AI_ABORTED' });
    expect(getEventListeners(leaving.signal, 'abort')).toHaveLength(0);
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });

  it('sends nothing if the signal is already aborted', async () => {
    const provider = await rig.provider();
    const balancer = rig.balancer([endpointAt(provider, { rpm: 60 })]);
    const before = balancer.stats().endpoints[0]?.requestsLeft;
    expect(await rejection(balancer.chat(HELLO, { signal: AbortSignal.abort() }))).toMatchObject({
      code: 'ERR_AI_ABORTED',
    });
    expect(provider.stats().seen).toBe(0);
    expect(balancer.stats().endpoints[0]?.requestsLeft).toBe(before);
  });

  it('rejects at the deadline that timeoutMs sets', async () => {
    const provider = await rig.provider();
    provider.fault({ kind: 'silence' });
    const call = rig.balancer([endpointAt(provider)]).chat(HELLO, { timeoutMs: 60 });
    expect(await rejection(call)).toMatchObject({ code: 'ERR_AI_DEADLINE', status: 504 });
  });

  it("rejects with the upstream's error and makes no further attempt if the caller is at fault", async () => {
    const [first, second] = [await rig.provider(), await rig.provider()];
    const fault = { kind: 'error', status: 400, code: 'weird_param', message: 'top_k is odd' } as const;
    first.fault(fault);
    second.fault(fault);
    const balancer = rig.balancer([endpointAt(first, { name: 'a' }), endpointAt(second, { name: 'b' })]);
    const error = (await rejection(balancer.chat(HELLO))) as AiBalancerError;
    expect(error).toMatchObject({ code: 'ERR_AI_BAD_REQUEST', status: 400, message: 'top_k is odd' });
    expect(error.toBody().error).toMatchObject({ message: 'top_k is odd', code: 'weird_param' });
    expect(first.stats().seen + second.stats().seen).toBe(1);
    expect(balancer.stats().healthy).toBe(2);
  });

  it('rejects with an error that lists the attempts, without keys and prompt, when every endpoint has failed', async () => {
    const [a, b] = [await rig.provider(), await rig.provider()];
    a.fault({ kind: 'unauthorized' });
    b.fault({ kind: 'quota_exhausted' });
    const balancer = rig.balancer([
      endpointAt(a, { name: 'a', apiKey: 'sk-secret-a' }),
      endpointAt(b, { name: 'b', apiKey: 'sk-secret-b' }),
    ]);
    const error = (await rejection(balancer.chat(HELLO))) as AiBalancerError;
    expect(error).toMatchObject({ code: 'ERR_AI_ALL_FAILED', status: 502, retryable: true });
    expect(new Set(error.attempts?.map((attempt) => attempt.class))).toEqual(
      new Set(['unauthorized', 'quota_exhausted']),
    );
    expect(error.route?.attempts).toHaveLength(2);
    const shown = JSON.stringify(error) + error.message + String(error.stack);
    expect(shown).not.toMatch(/sk-secret|parcel/);
    expect(AiBalancerError.isInstance(error)).toBe(true);
  });

  it('rejects with status 429 and retryAfterMs if every attempt was rate limited', async () => {
    const provider = await rig.provider();
    provider.fault({ kind: 'error', status: 429, headers: { 'retry-after': '7' }, afterMs: 0 });
    const error = await rejection(rig.balancer([endpointAt(provider)]).chat(HELLO, { timeoutMs: 5_000 }));
    expect(error).toMatchObject({ code: 'ERR_AI_ALL_FAILED', status: 429 });
    const { retryAfterMs } = error as AiBalancerError;
    expect(retryAfterMs).toBeGreaterThan(6_000);
    expect(retryAfterMs).toBeLessThan(7_701);
  });

  it('calls an apiKey function for every attempt, and tries another endpoint if it throws', async () => {
    const [a, b] = [await rig.provider(), await rig.provider({ keys: ['good'] })];
    let asked = 0;
    const balancer = rig.balancer([
      endpointAt(a, {
        name: 'a',
        apiKey: () => {
          throw new Error('the vault is shut: sk-secret');
        },
      }),
      endpointAt(b, { name: 'b', tier: 1, apiKey: () => Promise.resolve(++asked > 0 ? 'good' : '') }),
    ]);
    const { route } = await balancer.chat(HELLO).withRoute();
    await balancer.chat(HELLO);
    expect(route.endpoint).toBe('b');
    expect(asked).toBe(2);
    expect(JSON.stringify(route)).not.toContain('sk-secret');
    expect(a.stats().seen).toBe(0);
  });
});
