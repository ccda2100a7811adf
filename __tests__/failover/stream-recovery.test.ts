import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Balancer, BalancerConfig, ChatStream, EndpointConfig } from 'express-ai-balancer';
import type { SimulatedProvider } from 'express-ai-balancer/simulator';
import { endpointAt, HELLO, Rig, until } from '../helpers/provider';

const rig = new Rig();
const STREAM = { ...HELLO, stream: true } as const;
const OLD =
  'Your parcel left our house this morning and is with the carrier now. It should be there by noon tomorrow.';
const NEW =
  'It is on its way: the carrier has it since nine, and a neighbour may take it for you if you are out.';
type Body = { messages: { role: string; content: string }[] };
type Recovery = 'error' | 'restart' | 'continue';

async function two(
  recovery: Recovery | undefined,
  replies: {
    spare?: (body: unknown) => string;
    more?: Partial<BalancerConfig>;
    spareIs?: Partial<EndpointConfig>;
  } = {},
) {
  const main = await rig.provider({ reply: () => OLD });
  const spare = await rig.provider({ reply: replies.spare ?? (() => NEW) });
  const balancer = rig.balancer(
    [endpointAt(main), endpointAt(spare, { name: 'spare', tier: 1, ...replies.spareIs })],
    { ...(recovery ? { stream: { recovery } } : {}), ...replies.more },
  );
  return { main, spare, balancer };
}

interface Read {
  /** What a page shows that clears itself on a restart. */
  text: string;
  log: string[];
  ids: Set<string>;
  roles: number;
  finishes: unknown[];
  error: unknown;
}

async function read(stream: ChatStream, onRestart?: () => void): Promise<Read> {
  const seen: Read = { text: '', log: [], ids: new Set(), roles: 0, finishes: [], error: undefined };
  stream.onRestart(() => {
    seen.log.push(`restart after ${seen.text.length > 0 ? 'text' : 'nothing'}`);
    seen.text = '';
    seen.roles = 0;
    seen.ids.clear();
    onRestart?.();
  });
  try {
    for await (const { id, choices } of stream) {
      const choice = choices[0];
      if (choice?.delta.role) seen.roles++;
      if (choice?.finish_reason) seen.finishes.push(choice.finish_reason);
      if (seen.text === '' && choice?.delta.content) seen.log.push('text');
      seen.text += choice?.delta.content ?? '';
      seen.ids.add(id);
    }
  } catch (error) {
    seen.error = error;
  }
  return seen;
}

function expectIdle(balancer: Balancer, ...providers: SimulatedProvider[]): void {
  expect(balancer.stats().endpoints.map(({ inFlight }) => inFlight)).toEqual(
    balancer.stats().endpoints.map(() => 0),
  );
  expect(providers.map((provider) => provider.stats().inFlight)).toEqual(providers.map(() => 0));
}

describe("a stream that breaks off, with recovery 'error'", () => {
  it('ends with an error that carries the text so far, and no other endpoint is tried', async () => {
    const { main, spare, balancer } = await two(undefined);
    main.fault({ kind: 'cut', afterTokens: 6 });
    const seen = await read(await balancer.chat(STREAM));
    expect(seen.error).toMatchObject({ code: 'ERR_AI_STREAM_BROKEN', partialText: seen.text });
    expect(seen.finishes).toEqual([]);
    expect(OLD.startsWith(seen.text)).toBe(true);
    expect(spare.requests).toHaveLength(0);
  });
});

describe("a stream that breaks off, with recovery 'restart'", () => {
  it.each(['cut', 'stall'] as const)(
    'starts over at another endpoint after a %s, and the reader is notified before its first chunk',
    async (kind) => {
      const { main, spare, balancer } = await two('restart', {
        more: { timeouts: { stallMs: kind === 'stall' ? 1_000 : 15_000 } },
      });
      main.fault({ kind, afterTokens: 6 });
      const stream = await balancer.chat(STREAM);
      const seen = await read(stream);
      expect(seen.error).toBeUndefined();
      expect(seen.log).toEqual(['text', 'restart after text', 'text']);
      expect(seen.text).toBe(NEW);
      expect(seen).toMatchObject({ roles: 1, finishes: ['stop'], ids: { size: 1 } });
      const { route } = stream;
      expect(route.attempts).toMatchObject([
        { endpoint: 'main', class: kind === 'cut' ? 'bad_answer' : 'timeout' },
        { endpoint: 'spare' },
      ]);
      expect(route.endpoint).toBe('spare');
      // The prompt and six tokens are wasted.
      expect(route.wastedTokens).toBeGreaterThan(route.usage?.prompt_tokens ?? Infinity);
      expect(balancer.stats().calls).toEqual({ ok: 1, failed: 0, shed: 0 });
      await until(() => main.stats().inFlight === 0);
      expectIdle(balancer, main, spare);
    },
  );

  it('settles the tokens of both attempts', async () => {
    const limits = { tpm: 600, burstSeconds: 600, tokensCharged: 'actual' as const };
    const main = await rig.provider({ reply: () => OLD.repeat(8) });
    const spare = await rig.provider({ reply: () => NEW });
    const balancer = rig.balancer(
      [endpointAt(main, limits), endpointAt(spare, { name: 'spare', tier: 1, ...limits })],
      { stream: { recovery: 'restart' } },
    );
    main.fault({ kind: 'cut', afterTokens: 100 });
    const left = () => balancer.stats().endpoints.map(({ tokensLeft = 0 }) => tokensLeft);
    const [full = 0] = left();
    const stream = await balancer.chat({ ...STREAM, max_tokens: 4_000 });
    await read(stream);
    const [first = 0, second = 0] = left();
    // 10 tokens per second are refilled meanwhile.
    expect(full - first).toBeLessThan(200);
    expect(full - second).toBeLessThanOrEqual(stream.route.usage?.total_tokens ?? 0);
    expect(Math.max(full - first, full - second)).toBeGreaterThan(0);
  });

  it('ends with the error if no other endpoint is left: the one that broke it off is not tried again', async () => {
    const provider = await rig.provider({ reply: () => OLD });
    provider.fault({ kind: 'cut', afterTokens: 6, calls: 1 });
    const balancer = rig.balancer([endpointAt(provider)], { stream: { recovery: 'restart' } });
    const seen = await read(await balancer.chat(STREAM));
    expect(seen.error).toMatchObject({ code: 'ERR_AI_STREAM_BROKEN', partialText: seen.text });
    expect(seen.log).toEqual(['text']);
    expect(provider.requests).toHaveLength(1);
    expectIdle(balancer, provider);
  });

  it('starts over as long as attempts are left, then ends with an error that carries the last text', async () => {
    const providers = await Promise.all([1, 2, 3, 4].map(() => rig.provider({ reply: () => OLD })));
    for (const provider of providers) provider.fault({ kind: 'cut', afterTokens: 4 });
    const balancer = rig.balancer(
      providers.map((provider, i) => endpointAt(provider, { name: `e${i}`, tier: i })),
      { stream: { recovery: 'restart' }, retry: { maxAttempts: 3 } },
    );
    const seen = await read(await balancer.chat(STREAM));
    expect(seen.log.filter((entry) => entry.startsWith('restart'))).toHaveLength(2);
    expect(seen.error).toMatchObject({ code: 'ERR_AI_STREAM_BROKEN', partialText: seen.text });
    expect((seen.error as { attempts: unknown[] }).attempts).toHaveLength(3);
    expect(providers.map(({ requests }) => requests.length)).toEqual([1, 1, 1, 0]);
    expect(balancer.stats().calls).toEqual({ ok: 0, failed: 1, shed: 0 });
  });

  it('does not announce a restart if the next endpoint fails before its first content', async () => {
    const { main, spare, balancer } = await two('restart', { more: { retry: { maxAttempts: 2 } } });
    main.fault({ kind: 'cut', afterTokens: 6 });
    spare.fault({ kind: 'err5xx' });
    const seen = await read(await balancer.chat(STREAM));
    expect(seen.log).toEqual(['text']);
    expect(seen.error).toMatchObject({
      code: 'ERR_AI_STREAM_BROKEN',
      partialText: seen.text,
      attempts: [{ class: 'bad_answer' }, { class: 'server' }],
    });
  });

  it("does not outlive the caller's deadline", async () => {
    const { main, spare, balancer } = await two('restart');
    main.fault({ kind: 'stall', afterTokens: 6 });
    const seen = await read(await balancer.chat(STREAM, { timeoutMs: 1_500 }));
    expect(seen.error).toMatchObject({ code: 'ERR_AI_DEADLINE' });
    expect(spare.requests).toHaveLength(0);
  });

  it.each(['break', 'signal', 'abort'] as const)(
    'ends when the reader leaves while another endpoint is tried: %s',
    async (how) => {
      const { main, spare, balancer } = await two('restart');
      main.fault({ kind: 'cut', afterTokens: 6 });
      spare.fault({ kind: 'silence' });
      const leaving = new AbortController();
      const stream = await balancer.chat(STREAM, { signal: leaving.signal });
      const chunks = stream[Symbol.asyncIterator]();
      let ended: unknown;
      const reading = (async () => {
        for (;;) if ((await chunks.next()).done) return;
      })().catch((error: unknown) => (ended = error));
      await until(() => spare.stats().inFlight === 1);
      const leftAt = performance.now();
      if (how === 'signal') leaving.abort();
      else if (how === 'abort') stream.abort();
      else void chunks.return?.();
      await until(() => spare.stats().inFlight === 0);
      // Long before any timeout.
      expect(performance.now() - leftAt).toBeLessThan(10_000);
      if (how !== 'break') {
        await reading;
        expect(ended).toMatchObject({ code: 'ERR_AI_ABORTED' });
      }
      await until(() => balancer.stats().endpoints.every(({ inFlight }) => inFlight === 0));
      expect(balancer.stats().calls).toEqual({ ok: 0, failed: 0, shed: 0 });
    },
  );

  it('passes on what a restart listener throws, and closes the new upstream', async () => {
    const { main, spare, balancer } = await two('restart');
    main.fault({ kind: 'cut', afterTokens: 6 });
    const wrong = new Error('the page is gone');
    const seen = await read(await balancer.chat(STREAM), () => {
      throw wrong;
    });
    expect(seen.error).toBe(wrong);
    await until(() => spare.stats().inFlight === 0);
    expect(balancer.stats().endpoints.map(({ failures, inFlight }) => [failures, inFlight])).toEqual([
      [1, 0],
      [0, 0],
    ]);
  });

  it('is announced by pipe() as a restart event before the new answer', async () => {
    const { main, balancer } = await two('restart');
    main.fault({ kind: 'cut', afterTokens: 6 });
    const text = await piped(balancer);
    const [old = '', restarted = ''] = text.split('event: restart\ndata: {}\n\n');
    expect(old).toContain('"content":"Your');
    expect(old).not.toContain('"finish_reason":"');
    expect(restarted).toContain('"finish_reason":"stop"');
    expect(restarted.endsWith('data: [DONE]\n\n')).toBe(true);
  });
});

/** A spare that continues a last assistant message: after an echo of it, as llama-server does, or without, as vLLM. */
function prefilling(answer: string, echo: boolean) {
  return {
    spareIs: { prefill: true },
    spare: (body: unknown): string => {
      const last = (body as Body).messages.at(-1);
      return last?.role === 'assistant' && !echo ? answer.slice(last.content.length) : answer;
    },
  };
}

describe("a stream that breaks off, with recovery 'continue'", () => {
  it.each([
    ['echoes nothing', false],
    ['echoes the whole text first', true],
  ])('is one answer when the endpoint that continues it %s', async (_, echo) => {
    const { main, spare, balancer } = await two('continue', prefilling(OLD, echo));
    main.fault({ kind: 'cut', afterTokens: 12 });
    const stream = await balancer.chat({
      ...STREAM,
      max_tokens: 500,
      stream_options: { include_usage: true },
    });
    const seen = await read(stream);
    expect(seen.error).toBeUndefined();
    expect(seen).toMatchObject({ text: OLD, log: ['text'], roles: 1, finishes: ['stop'], ids: { size: 1 } });
    const { messages, max_tokens } = spare.requests[0]?.body as Body & { max_tokens: number };
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant']);
    expect(OLD.startsWith(messages[1]?.content ?? '-')).toBe(true);
    expect(messages[1]).not.toHaveProperty('prefix');
    expect(max_tokens).toBeLessThan(495);
    expect(stream.route.attempts).toHaveLength(2);
    // Both prompts and both parts are billed, and none is wasted.
    expect(stream.route.usage?.prompt_tokens).toBeGreaterThan(20);
    expect(stream.route.wastedTokens).toBe(0);
    expectIdle(balancer, main, spare);
  });

  it('is one answer when the echo is 2,400 characters long', async () => {
    const answer = OLD.repeat(30);
    const main = await rig.provider({ reply: () => answer });
    const { spare: reply } = prefilling(answer, true);
    const spare = await rig.provider({ reply });
    const balancer = rig.balancer(
      [endpointAt(main), endpointAt(spare, { name: 'spare', tier: 1, prefill: true })],
      { stream: { recovery: 'continue' } },
    );
    main.fault({ kind: 'cut', afterTokens: 500 });
    const seen = await read(await balancer.chat(STREAM));
    expect(seen).toMatchObject({ error: undefined, text: answer, log: ['text'], roles: 1 });
    expect((spare.requests[0]?.body as Body).messages.at(-1)?.content.length).toBeGreaterThan(1_500);
  });

  it('is continued as often as it breaks off', async () => {
    const { spare: reply } = prefilling(OLD, true);
    const providers = await Promise.all([0, 1, 2].map(() => rig.provider({ reply })));
    providers[0]?.fault({ kind: 'cut', afterTokens: 9 });
    providers[1]?.fault({ kind: 'cut', afterTokens: 16 });
    const balancer = rig.balancer(
      providers.map((provider, i) => endpointAt(provider, { name: `e${i}`, tier: i, prefill: true })),
      { stream: { recovery: 'continue' } },
    );
    const seen = await read(await balancer.chat(STREAM));
    expect(seen).toMatchObject({ error: undefined, text: OLD, log: ['text'], roles: 1, ids: { size: 1 } });
    expect(providers.map(({ requests }) => requests.length)).toEqual([1, 1, 1]);
  });

  it.each(['mistral', 'deepseek'])('marks the text so far with prefix: true for %s', async (provider) => {
    const { spareIs, spare: reply } = prefilling(OLD, false);
    const { main, spare, balancer } = await two('continue', {
      spare: reply,
      spareIs: { ...spareIs, provider },
    });
    main.fault({ kind: 'cut', afterTokens: 12 });
    expect(await read(await balancer.chat(STREAM))).toMatchObject({ error: undefined, text: OLD });
    const { messages } = spare.requests[0]?.body as Body;
    expect(messages.at(-1)).toMatchObject({ role: 'assistant', prefix: true });
  });

  it('is continued by an endpoint with prefill even if one without prefill has priority', async () => {
    const [main, plain, continuing] = await Promise.all([
      rig.provider({ reply: () => OLD }),
      rig.provider({ reply: () => NEW }),
      rig.provider({ reply: prefilling(OLD, false).spare }),
    ]);
    main.fault({ kind: 'cut', afterTokens: 12 });
    const balancer = rig.balancer(
      [
        endpointAt(main),
        endpointAt(plain, { name: 'plain', tier: 1 }),
        endpointAt(continuing, { name: 'continuing', tier: 2, prefill: true }),
      ],
      { stream: { recovery: 'continue' } },
    );
    expect(await read(await balancer.chat(STREAM))).toMatchObject({ error: undefined, text: OLD });
    expect([plain, continuing].map(({ requests }) => requests.length)).toEqual([0, 1]);
  });

  it('starts over if no endpoint has prefill', async () => {
    const { main, spare, balancer } = await two('continue');
    main.fault({ kind: 'cut', afterTokens: 12 });
    const seen = await read(await balancer.chat(STREAM));
    expect(seen).toMatchObject({ error: undefined, text: NEW, log: ['text', 'restart after text', 'text'] });
    expect(spare.requests.map(({ body }) => (body as Body).messages)).toEqual([HELLO.messages]);
  });

  it('starts over if the endpoint refuses to continue', async () => {
    const { main, spare, balancer } = await two('continue', { spareIs: { prefill: true } });
    main.fault({ kind: 'cut', afterTokens: 12 });
    spare.fault({ kind: 'error', status: 400, message: 'the last message must be of the user', calls: 1 });
    const seen = await read(await balancer.chat(STREAM));
    expect(seen).toMatchObject({ error: undefined, text: NEW, log: ['text', 'restart after text', 'text'] });
    expect((spare.requests.at(-1)?.body as Body).messages).toEqual(HELLO.messages);
  });

  it('is announced as a restart if the endpoint starts the answer over instead', async () => {
    const other = `${OLD.slice(0, 30)}yesterday.`;
    const { main, balancer } = await two('continue', { spare: () => other, spareIs: { prefill: true } });
    main.fault({ kind: 'cut', afterTokens: 20 });
    const stream = await balancer.chat(STREAM);
    const seen = await read(stream);
    expect(seen).toMatchObject({
      error: undefined,
      text: other,
      log: ['text', 'restart after text', 'text'],
    });
    expect(stream.route.wastedTokens).toBeGreaterThan(0);
  });

  it.each<[string, object]>([
    [
      'tools',
      { tools: [{ type: 'function', function: { name: 'find', parameters: {} } }], tool_choice: 'none' },
    ],
    ['JSON', { response_format: { type: 'json_object' } }],
    ['a prefill of its own', { messages: [...HELLO.messages, { role: 'assistant', content: 'Your' }] }],
  ])('starts over if the call has %s', async (_, more) => {
    const { main, spare, balancer } = await two('continue', { spareIs: { prefill: true } });
    main.fault({ kind: 'cut', afterTokens: 12 });
    const body = { ...STREAM, ...more };
    const seen = await read(await balancer.chat(body));
    expect(seen.error).toBeUndefined();
    expect(seen.log).toEqual(['text', 'restart after text', 'text']);
    expect((spare.requests[0]?.body as Body).messages).toEqual(body.messages);
  });

  it('ends with the error if no endpoint is left', async () => {
    const { main, spare, balancer } = await two('continue');
    main.fault({ kind: 'cut', afterTokens: 12 });
    spare.fault({ kind: 'unauthorized' });
    const seen = await read(await balancer.chat(STREAM));
    expect(seen.error).toMatchObject({ code: 'ERR_AI_STREAM_BROKEN', partialText: seen.text });
    expect(seen.finishes).toEqual([]);
  });
});

async function piped(balancer: Balancer): Promise<string> {
  const server = createServer((_req, res) => void balancer.chat(STREAM).pipe(res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)).text();
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

it('a broken stream without another endpoint ends a piped response with the error event and no [DONE]', async () => {
  const provider = await rig.provider({ reply: () => OLD });
  provider.fault({ kind: 'cut', afterTokens: 6 });
  const text = await piped(rig.balancer([endpointAt(provider)], { stream: { recovery: 'continue' } }));
  expect(text).toContain('ERR_AI_STREAM_BROKEN');
  expect(text).not.toContain('[DONE]');
  expect(text).not.toContain('"finish_reason":"');
});
