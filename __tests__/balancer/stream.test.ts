import { createServer, IncomingMessage, type Server, ServerResponse } from 'node:http';
import { type AddressInfo, Socket } from 'node:net';
import type { AICall, ChatStream } from 'express-ai-balancer';
import type { SimulatedProvider } from 'express-ai-balancer/simulator';
import { endpointAt, HELLO, Rig, rejection, until } from '../helpers/provider';

const rig = new Rig();
const STREAM = { ...HELLO, stream: true } as const;
const TEXT = 'Your parcel is on its way and will be there tomorrow before noon, I promise.';

async function textOf(stream: ChatStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  return text;
}

describe('Balancer.chat() with stream: true', () => {
  it('yields every chunk of the answer', async () => {
    const provider = await rig.provider({ reply: () => TEXT });
    const balancer = rig.balancer([endpointAt(provider)]);
    const stream = await balancer.chat(STREAM);
    expect(await textOf(stream)).toBe(TEXT);
    expect(balancer.stats().calls).toEqual({ ok: 1, failed: 0, shed: 0 });
  });

  it('reports the usage even if the body does not request it, and yields the usage chunk only if it does', async () => {
    const provider = await rig.provider({ reply: () => TEXT });
    const balancer = rig.balancer([endpointAt(provider)]);
    const quiet = await balancer.chat(STREAM);
    for await (const chunk of quiet) expect(chunk.usage ?? null).toBeNull();
    expect(quiet.route.usage?.completion_tokens).toBeGreaterThan(5);

    const asked = await balancer.chat({ ...STREAM, stream_options: { include_usage: true } });
    const usages = [];
    for await (const chunk of asked) if (chunk.usage) usages.push(chunk.usage);
    expect(usages).toEqual([asked.route.usage]);
  });

  it('has a route report whose values are final when the iteration has ended', async () => {
    const provider = await rig.provider({ reply: () => TEXT });
    const { data, route } = await rig
      .balancer([endpointAt(provider)])
      .chat(STREAM)
      .withRoute();
    expect(route).toMatchObject({ endpoint: 'main', attempts: [{ endpoint: 'main' }] });
    expect(route.firstTokenMs).toBeGreaterThanOrEqual(0);
    await textOf(data);
    expect(data.route.usage?.total_tokens).toBeGreaterThan(0);
    expect(data.route.totalMs).toBeGreaterThanOrEqual(data.route.firstTokenMs ?? Infinity);
  });

  it('closes the upstream connection when the reader breaks out of the loop', async () => {
    const provider = await rig.provider({
      reply: () => TEXT,
      timeScale: 1,
      models: { 'gpt-4o': { ttftMs: 5, msPerOutputToken: 40 } },
    });
    const balancer = rig.balancer([endpointAt(provider)]);
    for await (const _chunk of await balancer.chat(STREAM)) break;
    await until(() => provider.stats().aborted === 1);
    await until(() => balancer.stats().endpoints[0]?.inFlight === 0);
    expect(balancer.stats().endpoints[0]).toMatchObject({ state: 'closed', failures: 0 });
    expect(balancer.stats().calls).toEqual({ ok: 0, failed: 0, shed: 0 });
  });

  it('fails over to another endpoint before the first content', async () => {
    const [sick, well] = [await rig.provider(), await rig.provider({ reply: () => TEXT })];
    sick.fault({ kind: 'cut', afterTokens: 0 });
    const balancer = rig.balancer([
      endpointAt(sick, { name: 'sick' }),
      endpointAt(well, { name: 'well', tier: 1 }),
    ]);
    const stream = await balancer.chat(STREAM);
    expect(await textOf(stream)).toBe(TEXT);
    expect(stream.route.attempts.map(({ endpoint }) => endpoint)).toEqual(['sick', 'well']);
  });

  it('throws if the stream breaks off after the first token, so that it never seems complete', async () => {
    const provider = await rig.provider({ reply: () => TEXT });
    provider.fault({ kind: 'cut', afterTokens: 3 });
    const balancer = rig.balancer([endpointAt(provider)]);
    const stream = await balancer.chat(STREAM);
    const error = await rejection(textOf(stream));
    expect(error).toMatchObject({ code: 'ERR_AI_STREAM_BROKEN', status: 502 });
    expect(TEXT.startsWith((error as { partialText: string }).partialText)).toBe(true);
    expect(Object.keys(error as object)).not.toContain('partialText');
    expect(balancer.stats().calls).toEqual({ ok: 0, failed: 1, shed: 0 });
  });

  it('rejects with an error that lists the attempts if no endpoint can start the stream', async () => {
    const provider = await rig.provider();
    provider.fault({ kind: 'unauthorized' });
    const error = await rejection(rig.balancer([endpointAt(provider)]).chat(STREAM));
    expect(error).toMatchObject({ code: 'ERR_AI_ALL_FAILED', attempts: [{ class: 'unauthorized' }] });
  });

  it("aborts a running stream when the call's signal aborts", async () => {
    const provider = await rig.provider({ reply: () => TEXT });
    provider.fault({ kind: 'stall', afterTokens: 3 });
    const leaving = new AbortController();
    const stream = await rig.balancer([endpointAt(provider)]).chat(STREAM, { signal: leaving.signal });
    const text = textOf(stream);
    text.catch(() => undefined);
    await until(() => provider.stats().inFlight === 1);
    leaving.abort();
    expect(await rejection(text)).toMatchObject({ code: 'ERR_AI_ABORTED' });
    await until(() => provider.stats().inFlight === 0);
  });
});

describe('AICall.pipe()', () => {
  let server: Server;
  let provider: SimulatedProvider;
  let handle: (res: ServerResponse) => void;

  beforeEach(async () => {
    server = createServer((_req, res) => handle(res));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    provider = await rig.provider({ reply: () => TEXT });
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  it('sends the answer as server-sent events that end with [DONE]', async () => {
    const balancer = rig.balancer([endpointAt(provider)]);
    handle = (res) => void balancer.chat(STREAM).pipe(res);
    const answer = await fetch(url());
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const events = (await answer.text()).trim().split('\n\n');
    expect(events.at(-1)).toBe('data: [DONE]');
    const text = events
      .slice(0, -1)
      .map(
        (event) => JSON.parse(event.replace('data: ', '')) as { choices: { delta: { content?: string } }[] },
      )
      .map(({ choices }) => choices[0]?.delta.content ?? '')
      .join('');
    expect(text).toBe(TEXT);
  });

  it("responds with the error's status and body if the call fails before anything was sent", async () => {
    provider.fault({ kind: 'error', status: 429, headers: { 'retry-after': '7' }, afterMs: 0 });
    const balancer = rig.balancer([endpointAt(provider)]);
    // On a busy machine the first attempt may take longer than the default delay of the headers.
    handle = (res) => void balancer.chat(STREAM, { timeoutMs: 5_000 }).pipe(res, { headerDelayMs: 10_000 });
    const answer = await fetch(url());
    expect(answer.status).toBe(429);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(7);
    expect(await answer.json()).toMatchObject({
      error: { code: 'ERR_AI_ALL_FAILED', type: 'rate_limit_error' },
    });
  });

  it('applies the options keepAliveMs, headerDelayMs, headers and signal', async () => {
    const balancer = rig.balancer([endpointAt(provider)]);
    provider.fault({ kind: 'silence' });
    const leaving = new AbortController();
    let piped: Promise<void> | undefined;
    handle = (res) => {
      const options = {
        keepAliveMs: 20,
        headerDelayMs: 0,
        headers: { 'x-shop': 'a' },
        signal: leaving.signal,
      };
      piped = balancer.chat(STREAM).pipe(res, options);
    };
    const answer = await fetch(url());
    expect(answer.headers.get('x-shop')).toBe('a');
    const text = answer.text();
    await until(() => provider.stats().inFlight === 1);
    await new Promise((resolve) => setTimeout(resolve, 60));
    leaving.abort();
    expect(await text).toMatch(/^: keep-alive\n\n[^]*ERR_AI_ABORTED/);
    await piped;
    await until(() => provider.stats().inFlight === 0);
  });

  it.each([
    ['an unknown option', { keepAlive: 5 }, "keepAlive: unknown option, did you mean 'keepAliveMs'?"],
    ['a negative interval', { keepAliveMs: -1 }, 'keepAliveMs: expected'],
    ['a header that is not a string', { headers: { a: 1 } }, 'headers: expected'],
  ])('rejects %s with ERR_AI_BAD_REQUEST', async (_, options, message) => {
    const balancer = rig.balancer([endpointAt(provider)]);
    const call = balancer.chat(STREAM);
    await expect(
      call.pipe(new ServerResponse(new IncomingMessage(new Socket())), options as object),
    ).rejects.toMatchObject({
      code: 'ERR_AI_BAD_REQUEST',
      message: expect.stringContaining(message) as string,
    });
    (await call).abort();
  });

  it('cancels the upstream call when the client disconnects, before or after the first token', async () => {
    const balancer = rig.balancer([endpointAt(provider)]);
    for (const fault of [{ kind: 'silence' }, { kind: 'stall', afterTokens: 2 }] as const) {
      const on = provider.fault(fault);
      let call: AICall<ChatStream> | undefined;
      handle = (res) => {
        call = balancer.chat(STREAM);
        void call.pipe(res);
      };
      const leaving = new AbortController();
      const answer = fetch(url(), { signal: leaving.signal }).then((res) => res.text());
      answer.catch(() => undefined);
      await until(() => provider.stats().inFlight === 1);
      leaving.abort();
      await until(() => provider.stats().inFlight === 0);
      await until(() => balancer.stats().endpoints[0]?.inFlight === 0);
      await on.end();
    }
    expect(balancer.stats().calls).toEqual({ ok: 0, failed: 0, shed: 0 });
  });

  it('rejects for a call without stream: true, while the call itself still resolves', async () => {
    const call = rig.balancer([endpointAt(provider)]).chat(HELLO);
    expect(await rejection(call.pipe(new ServerResponse(new IncomingMessage(new Socket()))))).toMatchObject({
      code: 'ERR_AI_BAD_REQUEST',
      param: 'stream',
    });
    expect((await call).object).toBe('chat.completion');
  });
});

describe('Balancer: a stream without a deadline', () => {
  it('is rejected immediately if the cooldowns of all endpoints are longer than it can wait', async () => {
    const provider = await rig.provider();
    provider.fault({ kind: 'unauthorized', calls: 1 });
    const balancer = rig.balancer([endpointAt(provider)]);
    await rejection(balancer.chat(STREAM));
    expect(balancer.stats().endpoints[0]?.state).toBe('cooldown');
    const error = await rejection(balancer.chat(STREAM));
    expect(error).toMatchObject({ code: 'ERR_AI_UNAVAILABLE', status: 503 });
    expect((error as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(590_000);
  });
});
