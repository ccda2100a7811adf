import { APIError, InternalServerError } from 'openai';
import { endpointAt, rejection, until } from '../helpers/provider';
import { apiErrorOf, BODY, GatewayRig, sendChat } from './fixtures/gateway';

const rig = new GatewayRig();
const LONG = { ...BODY, metadata: { simulate_output_tokens: '200' }, stream: true as const };
const live = { reply: () => undefined, timeScale: 0.1 };

describe('A stream through the gateway', () => {
  it('that breaks off is an error for the client, never a truncated answer', async () => {
    const { client, provider, url } = await rig.open({ provider: live });
    provider.fault({ kind: 'cut', fraction: 0.5 });
    const stream = await client.chat.completions.create(LONG);
    const finishes: unknown[] = [];
    let text = '';
    const error = await rejection(
      (async () => {
        for await (const { choices } of stream) {
          text += choices[0]?.delta.content ?? '';
          finishes.push(choices[0]?.finish_reason);
        }
      })(),
    );
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ code: 'ERR_AI_STREAM_BROKEN', type: 'server_error' });
    expect(text.length).toBeGreaterThan(0);
    expect(finishes.every((finish) => finish === null)).toBe(true);

    expect(await apiErrorOf(client.chat.completions.stream(LONG).finalChatCompletion())).toBeInstanceOf(
      APIError,
    );
    expect((await sendChat(url, LONG)).text).not.toContain('[DONE]');
  });

  it('that the provider ends without a finish_reason is an error', async () => {
    const { client, provider } = await rig.open({ provider: live });
    provider.fault({ kind: 'bad_answer', form: 'no_finish' });
    const read = async () => {
      for await (const _ of await client.chat.completions.create(LONG));
    };
    expect(await rejection(read())).toBeInstanceOf(APIError);
  });

  it('is aborted at the provider, not finished, when the client disconnects, before and after the first token', async () => {
    const { client, provider } = await rig.open({ provider: { ...live, timeScale: 1 } });
    const stream = await client.chat.completions.create(LONG);
    for await (const _ of stream) break;
    await until(() => provider.stats().aborted === 1);

    for (const stream of [true, false]) {
      const leaving = new AbortController();
      const call = client.chat.completions.create({ ...LONG, stream }, { signal: leaving.signal });
      await until(() => provider.stats().inFlight === 1);
      leaving.abort();
      await expect(call).rejects.toThrow('aborted');
      await until(() => provider.stats().inFlight === 0);
    }
    expect(provider.stats().aborted).toBe(3);
  });

  it('that breaks off before its first content moves to another endpoint, and the client gets one stream', async () => {
    const spare = await rig.open({ provider: live });
    const config = { endpoints: [], retry: { maxAttempts: 2, budgetRatio: 1, budgetPerSecond: 10 } };
    const { client, provider, balancer } = await rig.open({ provider: live });
    await balancer.reload({
      ...config,
      endpoints: [
        endpointAt(provider, { name: 'first' }),
        endpointAt(spare.provider, { name: 'second', tier: 1 }),
      ],
    });
    provider.fault({ kind: 'cut', afterTokens: 0 });
    const { data, response } = await client.chat.completions.create(LONG).withResponse();
    let finish: unknown;
    for await (const { choices } of data) finish = choices[0]?.finish_reason ?? finish;
    expect(finish).toBe('stop');
    expect(response.headers.get('x-ai-endpoint')).toBe('second');
    expect(response.headers.get('x-ai-attempts')).toBe('2');
  });

  it('with a short headerDelayMs has its headers sent early and later errors sent as events', async () => {
    const { url, client, provider } = await rig.open({ gateway: { headerDelayMs: 0 } });
    provider.fault({ kind: 'err5xx' });
    const { status, headers, text } = await sendChat(url, LONG);
    expect(status).toBe(200);
    expect(headers.get('x-request-id')).toHaveLength(36);
    expect(headers.get('x-ai-endpoint')).toBeNull();
    expect(text).toMatch(/^data: \{"error":\{.*"ERR_AI_ALL_FAILED".*\}\}\n\n$/);
    const stream = await client.chat.completions.create(LONG);
    const read = async () => {
      for await (const _ of stream);
    };
    expect(await rejection(read())).toMatchObject({ code: 'ERR_AI_ALL_FAILED' });

    const delayed = await rig.open({ gateway: { headerDelayMs: 5_000 } });
    delayed.provider.fault({ kind: 'err5xx' });
    const failed = await apiErrorOf(delayed.client.chat.completions.create(LONG));
    expect(failed).toBeInstanceOf(InternalServerError);
    expect(failed.headers?.get('x-should-retry')).toBe('false');
    expect(failed.headers?.get('x-ai-attempts')).toBe('1');
  });
});

describe('A stream through the gateway that breaks off at the first of two endpoints', () => {
  const ANSWER = 'It left our house this morning, and the carrier brings it to you tomorrow before noon.';
  const continueReply = (body: unknown): string => {
    const { messages } = body as { messages: { role: string; content: string }[] };
    const before = messages.find(({ role }) => role === 'assistant')?.content ?? '';
    return ANSWER.slice(before.length);
  };

  async function openWithCut(recovery: 'restart' | 'continue') {
    const parts = { provider: { reply: continueReply, timeScale: 0.1 } };
    const [spare, gateway] = [await rig.open(parts), await rig.open(parts)];
    await gateway.balancer.reload({
      endpoints: [
        endpointAt(gateway.provider, { prefill: true }),
        endpointAt(spare.provider, { name: 'spare', tier: 1, prefill: true }),
      ],
      stream: { recovery },
    });
    gateway.provider.fault({ kind: 'cut', afterTokens: 8 });
    return { ...gateway, spare: spare.provider };
  }

  it('is not restarted, because the client would not notice', async () => {
    const { url, spare } = await openWithCut('restart');
    const { text } = await sendChat(url, { ...BODY, stream: true });
    expect(text).toContain('ERR_AI_STREAM_BROKEN');
    expect(text).not.toContain('restart');
    expect(text).not.toContain('[DONE]');
    expect(spare.requests).toHaveLength(0);
  });

  it("is continued at the second with recovery 'continue', and the client gets one answer", async () => {
    const { client } = await openWithCut('continue');
    const whole = await client.chat.completions.stream({ ...BODY, stream: true }).finalChatCompletion();
    expect(whole.choices[0]?.message.content).toBe(ANSWER);
    expect(whole.choices[0]?.finish_reason).toBe('stop');
  });
});
