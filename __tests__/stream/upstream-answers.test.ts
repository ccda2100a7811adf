import type { ServerResponse } from 'node:http';
import {
  answer,
  BODY,
  chatText,
  event,
  json,
  type Responder,
  Rig,
  raw,
  rejection,
  statsOf,
  USAGE,
} from '../failover/upstream';

const SSE = { 'content-type': 'text/event-stream' };
const JSON_TYPE = { 'content-type': 'application/json' };
const DONE = 'data: [DONE]\n\n';
const text = (content: string, finish: string | null = null): string =>
  event({ choices: [{ index: 0, delta: { content }, finish_reason: finish }] });
const FINISH = event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
const sse = (...parts: string[]): Responder => raw(200, parts.join(''), SSE);
const completion = (choice: object, more: object = {}): object => ({
  id: 'x',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hi' }, ...choice }],
  ...more,
});
const whole =
  (choice: object, more: object = {}): Responder =>
  (arrival) =>
    json(arrival, 200, completion(choice, more));

describe('an invalid whole answer', () => {
  const rig = new Rig();

  it.each<[string, object, object?]>([
    [
      'finish_reason error beside half a text',
      { message: { content: 'Half an ans' }, finish_reason: 'error', error: { code: 502 } },
    ],
    ['finish_reason error alone', { message: { content: 'Half an ans' }, finish_reason: 'error' }],
    ['an error in the choice', { message: { content: 'Half an ans' }, error: { code: 502, message: 'x' } }],
    ['an error beside the choices', {}, { error: { message: 'upstream closed' } }],
    ['an error that is a string beside the choices', {}, { error: 'upstream closed' }],
    ['empty content and finish_reason stop', { message: { role: 'assistant', content: '' } }],
    ['null content and finish_reason stop', { message: { role: 'assistant', content: null } }],
    ['no content at all', { message: { role: 'assistant' } }],
    [
      'an empty list of tool calls',
      { message: { content: '', tool_calls: [] }, finish_reason: 'tool_calls' },
    ],
    ['an empty refusal', { message: { content: null, refusal: '' } }],
    ['no message', { message: undefined }],
  ])('is replaced by the answer of another endpoint: %s', async (...[, choice, more]) => {
    const { balancer } = await rig.start({ bad: whole(choice, more), sound: answer('Hello') });
    const { text: served, route } = await chatText(balancer, false);
    expect(served).toBe('Hello');
    expect(route.attempts.map((attempt) => attempt.class)).toEqual(['bad_answer', undefined]);
  });

  it.each<[string, object]>([
    ['a refusal', { message: { content: null, refusal: 'No.' } }],
    [
      'a tool call',
      {
        message: {
          content: null,
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        finish_reason: 'tool_calls',
      },
    ],
    [
      'a tool call with finish_reason stop',
      {
        message: {
          content: '',
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
      },
    ],
    ['reasoning alone', { message: { content: '', reasoning_content: 'Hm.' } }],
    ['nothing within max_tokens', { message: { content: '' }, finish_reason: 'length' }],
    ['nothing past the content filter', { message: { content: '' }, finish_reason: 'content_filter' }],
    ['audio', { message: { content: null, audio: { id: 'a', data: 'AAAA' } } }],
  ])('is not assumed for %s', async (_what, choice) => {
    const { balancer, upstream } = await rig.start({ one: whole(choice), two: answer() });
    await balancer.chat(BODY);
    expect(upstream.count('two')).toBe(0);
  });

  it("is not assumed if there is no text before the caller's stop sequence", async () => {
    const { balancer, upstream } = await rig.start({
      one: whole({ message: { content: '' } }),
      two: answer(),
    });
    await balancer.chat({ ...BODY, stop: ['\n'] } as typeof BODY);
    expect(upstream.count('two')).toBe(0);
  });
});

describe('embeddings that do not match the inputs', () => {
  const rig = new Rig();
  const vectors =
    (...data: unknown[]): Responder =>
    (arrival) =>
      json(arrival, 200, { object: 'list', data, model: 'm', usage: { prompt_tokens: 3, total_tokens: 3 } });
  const vector = (index: number, embedding: unknown = [0.1]) => ({ object: 'embedding', index, embedding });
  const sound = vectors(vector(0), vector(1), vector(2));

  it.each<[string, Responder]>([
    ['two for three inputs', vectors(vector(0), vector(1))],
    ['four for three inputs', vectors(vector(0), vector(1), vector(2), vector(3))],
    ['one twice', vectors(vector(0), vector(1), vector(1))],
    ['an empty one', vectors(vector(0), vector(1), vector(2, []))],
    ['an empty base64 string', vectors(vector(0), vector(1), vector(2, ''))],
    ['numbers that are null', vectors(vector(0), vector(1), vector(2, [0.1, null]))],
    ['vectors of unequal length', vectors(vector(0), vector(1), vector(2, [0.1, 0.2]))],
    [
      'base64 of unequal length',
      vectors(vector(0, 'AACAPw=='), vector(1, 'AACAPw=='), vector(2, 'AACAPwAAgD8=')),
    ],
    ['base64 beside numbers', vectors(vector(0), vector(1), vector(2, 'AACAPw=='))],
    ['a number in quotes', vectors(vector(0), vector(1), vector(2, ['0.1']))],
    ['an index beyond the inputs', vectors(vector(0), vector(1), vector(3))],
    ['none', vectors()],
    ['an entry that is null', vectors(vector(0), vector(1), null)],
    [
      'an error beside them',
      (arrival) => json(arrival, 200, { data: [vector(0), vector(1), vector(2)], error: { message: 'x' } }),
    ],
  ])('are replaced by those of another endpoint: %s', async (_what, bad) => {
    const { balancer } = await rig.start({ bad, sound });
    const { data, route } = await balancer.embeddings({ model: 'm', input: ['a', 'b', 'c'] }).withRoute();
    expect(data.data).toHaveLength(3);
    expect(route.attempts[0]?.class).toBe('bad_answer');
  });

  it.each<[string, unknown, number]>([
    ['a text', 'a', 1],
    ['a list of token ids', [1, 2, 3], 1],
    ['lists of token ids', [[1, 2], [3]], 2],
  ])('are not assumed if their number fits the kind of input: %s', async (_what, input, count) => {
    const { balancer, upstream } = await rig.start({
      one: vectors(...Array.from({ length: count }, (_, index) => vector(index))),
      two: sound,
    });
    await balancer.embeddings({ model: 'm', input: input as string });
    expect(upstream.count('two')).toBe(0);
  });
});

describe('a stream with an unreadable event', () => {
  const rig = new Rig();
  const GARBLED = 'data: {"id":"x","choices":[{"index":0,"delta":{"content":"lo wor\n\n';

  it.each([
    ['cut content', GARBLED],
    ['garbled reasoning', 'data: {"choices":[{"delta":{"reasoning_content":"a"b"}}]}\n\n'],
    ['a garbled tool call', 'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"argum\n\n'],
    ['a garbled refusal', 'data: {"choices":[{"delta":{"refusal":"I can\n\n'],
    ['a key that was cut in the delta', 'data: {"choices":[{"index":0,"delta":{"con\n\n'],
    ['content that is not in choices', 'data: {"delta":{"content":"lo wor"}}\n\n'],
  ])('is broken if the event may have held content: %s', async (_what, garbled) => {
    const { balancer } = await rig.start({ one: sse(text('hel'), garbled, text('ld'), FINISH, DONE) });
    expect(await rejection(chatText(balancer, true))).toMatchObject({
      code: 'ERR_AI_STREAM_BROKEN',
      partialText: 'hel',
    });
  });

  it.each([
    ['cut before the delta', 'data: {"id":"x","choices":[{"delta":{\n\n'],
    ['cut before the content', 'data: {"id":"x","choices":[{"delta":{"content": \n\n'],
    ['a delta without content', 'data: {"choices":[{"delta":{"role":"assistant","content":null},"fini\n\n'],
    ['a ping', 'data: ping\n\n'],
    ['an unknown event', 'data: {"type":"ping"}\n\n'],
  ])('is complete if the event cannot have held content: %s', async (_what, skipped) => {
    const { balancer } = await rig.start({ one: sse(text('hel'), skipped, text('lo'), FINISH, DONE) });
    expect((await chatText(balancer, true)).text).toBe('hello');
    expect(statsOf(balancer, 'one').skippedEvents).toBe(1);
  });

  it('counts its skipped events in the statistics of its endpoint, across calls and a reload', async () => {
    const skipping = sse(text('hel'), 'data: ping\n\n', 'data: {"id":\n\n', text('lo'), FINISH, DONE);
    const { balancer, endpoints } = await rig.start({ one: skipping, two: answer() });
    for (let i = 0; i < 3; i++) await chatText(balancer, true, { endpoint: 'one' });
    await chatText(balancer, true, { endpoint: 'two' });
    await balancer.reload({ endpoints });
    expect(balancer.stats().endpoints).toMatchObject([
      { name: 'one', skippedEvents: 6 },
      { name: 'two', skippedEvents: 0 },
    ]);
  });

  it('is restarted at another endpoint if that is configured', async () => {
    const { balancer } = await rig.start(
      { one: sse(text('hel'), GARBLED, text('ld'), FINISH, DONE), two: answer('hello world') },
      { stream: { recovery: 'restart' } },
    );
    const { data } = await balancer.chat({ ...BODY, stream: true }).withRoute();
    let seen = '';
    data.onRestart(() => (seen = ''));
    for await (const chunk of data) seen += chunk.choices[0]?.delta.content ?? '';
    expect(seen).toBe('hello world');
  });
});

describe('a stream in an unusual form', () => {
  const rig = new Rig();
  const oneLine = (event: string): string => event.trimEnd();

  it.each<[string, Responder]>([
    ['two chunks in one event', sse(`${oneLine(text('Hel'))}\n${oneLine(text('lo'))}\n\n`, FINISH, DONE)],
    ['all chunks in one event', sse([text('Hel'), text('lo'), FINISH, DONE].map(oneLine).join('\n'), '\n\n')],
    ['no finish_reason, but [DONE]', sse(text('Hel'), text('lo'), DONE)],
    ['no [DONE], but a finish_reason', sse(text('Hel'), text('lo'), FINISH)],
    ['a whole answer as JSON', whole({ message: { role: 'assistant', content: 'Hello' } })],
    [
      'a whole answer as JSON under text/event-stream',
      raw(200, JSON.stringify(completion({ message: { content: 'Hello' } })), SSE),
    ],
    [
      'a whole answer as JSON without a content type',
      raw(200, JSON.stringify(completion({ message: { content: 'Hello' } }))),
    ],
    [
      'a whole answer as JSON after a byte order mark',
      raw(200, `\ufeff${JSON.stringify(completion({ message: { content: 'Hello' } }))}`, JSON_TYPE),
    ],
    ['events under application/json', raw(200, text('Hello') + FINISH + DONE, JSON_TYPE)],
    [
      'events under text/plain after a byte order mark',
      raw(200, `\ufeff${text('Hello')}${FINISH}${DONE}`, { 'content-type': 'text/plain' }),
    ],
    [
      'a message in place of a delta',
      sse(
        event({
          choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
        }),
        DONE,
      ),
    ],
  ])('is read correctly: %s', async (_what, one) => {
    const { balancer, upstream } = await rig.start({ one, two: answer('other') });
    const stream = await balancer.chat({ ...BODY, stream: true });
    const finishes: unknown[] = [];
    let seen = '';
    for await (const chunk of stream) {
      seen += chunk.choices[0]?.delta.content ?? '';
      if (chunk.choices[0]?.finish_reason) finishes.push(chunk.choices[0].finish_reason);
    }
    expect([seen, finishes]).toEqual(['Hello', ['stop']]);
    expect(upstream.count('two')).toBe(0);
    expect(stream.route.attempts.map((attempt) => attempt.class)).toEqual([undefined]);
  });

  it.each<[string, Responder]>([
    ['neither [DONE] nor a finish_reason', sse(text('Hel'))],
    [
      '[DONE] in the middle of a tool call',
      sse(
        event({
          choices: [
            { index: 0, delta: { tool_calls: [{ index: 0, function: { name: 'f', arguments: '{"a' } }] } },
          ],
        }),
        DONE,
      ),
    ],
  ])('is broken with %s', async (_what, one) => {
    const { balancer } = await rig.start({ one });
    expect(await rejection(chatText(balancer, true))).toMatchObject({ code: 'ERR_AI_STREAM_BROKEN' });
  });

  it.each<[string, Responder]>([
    ['finish_reason stop without content', sse(text(''), FINISH, DONE)],
    ['only [DONE]', sse(DONE)],
    ['empty JSON content', whole({ message: { content: '' } })],
    ['an error as JSON', (arrival) => json(arrival, 200, { error: { message: 'x', code: 500 } })],
    ['an HTML page', raw(200, '<html>Sign in</html>', { 'content-type': 'text/html' })],
    ['nothing', raw(200, '', SSE)],
  ])('is replaced by the answer of another endpoint if it has no content: %s', async (_what, empty) => {
    const { balancer } = await rig.start({ empty, sound: answer('Hello') });
    const { text: served, route } = await chatText(balancer, true);
    expect(served).toBe('Hello');
    expect(route.attempts.map((attempt) => attempt.class)).toEqual(['bad_answer', undefined]);
  });

  it('is assembled into a whole answer for a call that did not ask for a stream', async () => {
    const tool = (delta: object): string =>
      event({
        choices: [{ index: 0, delta: { tool_calls: [{ index: 0, ...delta }] }, finish_reason: null }],
      });
    const { balancer } = await rig.start({
      one: sse(
        event({ choices: [{ index: 0, delta: { role: 'assistant', content: 'Hel' } }] }),
        text('lo'),
        tool({ id: 'c1', type: 'function', function: { name: 'f', arguments: '' } }),
        tool({ function: { arguments: '{"a":' } }),
        tool({ function: { arguments: '1}' } }),
        event({ choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] }),
        event({ choices: [], usage: USAGE }),
        DONE,
      ),
    });
    const { data, route } = await balancer.chat(BODY).withRoute();
    expect(data).toMatchObject({
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          finish_reason: 'tool_calls',
          message: {
            role: 'assistant',
            content: 'Hello',
            tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
          },
        },
      ],
    });
    expect(route.usage).toEqual(USAGE);
  });

  it('is a bad answer for a call that did not ask for a stream if it was cut off', async () => {
    const { balancer } = await rig.start({ one: sse(text('Hel')), two: answer('Hello') });
    const { text: served, route } = await chatText(balancer, false);
    expect([served, route.attempts[0]?.class]).toEqual(['Hello', 'bad_answer']);
  });
});

describe('the usage of an answer', () => {
  const rig = new Rig();
  const PRICE = { input: 1, output: 10, cachedInput: 0.1 };
  const each = { one: { price: PRICE } };
  const LONG = 'word '.repeat(400);

  async function usageOf(usage: unknown, stream: boolean, content = LONG, body: object = {}) {
    const { balancer } = await rig.start({ one: answer(content, usage) }, { each });
    if (!stream) return (await balancer.chat({ ...BODY, ...body }).withRoute()).route;
    const data = await balancer.chat({ ...BODY, ...body, stream: true });
    for await (const _ of data);
    return data.route;
  }

  describe.each([
    ['whole', false],
    ['streamed', true],
  ])('that is %s', (_kind, stream) => {
    it.each<[string, unknown]>([
      ['nothing', {}],
      ['null', null],
      ['strings', { prompt_tokens: '10', completion_tokens: '5', total_tokens: '15' }],
      ['negative counts', { prompt_tokens: -10, completion_tokens: -5, total_tokens: -15 }],
      ['a negative completion', { prompt_tokens: 10, completion_tokens: -5, total_tokens: 5 }],
      ['zeros', { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }],
      ['objects', { prompt_tokens: {}, completion_tokens: [] }],
      ['a list', [1, 2]],
      ['a number', 7],
    ])('is estimated if it reports %s', async (_what, usage) => {
      const route = await usageOf(usage, stream);
      expect(route.usage?.prompt_tokens).toBeGreaterThan(0);
      expect(route.usage?.completion_tokens).toBeGreaterThan(200);
      expect(route.usage?.completion_tokens).toBeLessThan(1000);
      expect(route.costUsd).toBeGreaterThan(0);
    });

    it.each<[string, object, number]>([
      ['OpenAI', { prompt_tokens_details: { cached_tokens: 8 } }, 8],
      ['DeepSeek', { prompt_cache_hit_tokens: 8, prompt_cache_miss_tokens: 2 }, 8],
      ['Moonshot', { cached_tokens: 8 }, 8],
      ['more than the prompt', { prompt_tokens_details: { cached_tokens: 800 } }, 10],
      ['an object', { prompt_tokens_details: { cached_tokens: {} } }, 0],
      ['negative', { prompt_tokens_details: { cached_tokens: -3 } }, 0],
      ['details that are a string', { prompt_tokens_details: 'none' }, 0],
    ])('is priced by its cached tokens: %s', async (_what, details, cached) => {
      const route = await usageOf({ ...USAGE, ...details }, stream);
      const expected = ((10 - cached) * PRICE.input + cached * PRICE.cachedInput + 5 * PRICE.output) / 1e6;
      expect(route.costUsd).toBeCloseTo(expected, 12);
    });

    it('counts the excess of a total over prompt and completion as output, as xAI and Gemini report it', async () => {
      const route = await usageOf({ prompt_tokens: 10, completion_tokens: 5, total_tokens: 115 }, stream);
      expect(route.usage).toMatchObject({ prompt_tokens: 10, completion_tokens: 105, total_tokens: 115 });
      expect(route.costUsd).toBeCloseTo((10 * PRICE.input + 105 * PRICE.output) / 1e6, 12);
    });

    it('ignores a total that is below prompt and completion', async () => {
      const route = await usageOf({ prompt_tokens: 10, completion_tokens: 5, total_tokens: 3 }, stream);
      expect(route.usage).toEqual(USAGE);
    });

    it('is limited to what the call can have used', async () => {
      const lie = { prompt_tokens: 1e9, completion_tokens: 1e9, total_tokens: 2e9 };
      const route = await usageOf(lie, stream, LONG, { max_tokens: 600 });
      expect(route.usage?.completion_tokens).toBe(600);
      expect(route.usage?.prompt_tokens).toBeLessThan(10_000);
      const unlimited = await usageOf({ prompt_tokens: 10, completion_tokens: 1e9 }, stream);
      expect(unlimited.usage?.completion_tokens).toBeLessThanOrEqual(128_000);
    });
  });
});

describe('a very large answer', () => {
  const rig = new Rig();

  it('without choices is parsed once and refused', async () => {
    const body = `{"a":[${'{},'.repeat(3_000_000)}{}]}`;
    const { balancer } = await rig.start({ one: raw(200, body, JSON_TYPE) }, { retry: { maxAttempts: 1 } });
    const parse = jest.spyOn(JSON, 'parse');
    try {
      await rejection(balancer.chat(BODY));
      expect(parse.mock.calls.filter(([text]) => text.length > 1_000_000)).toHaveLength(1);
    } finally {
      parse.mockRestore();
    }
  });

  it('is refused by default at a size that no valid answer has', async () => {
    const endless = (res: ServerResponse): void => {
      while (!res.destroyed && res.write('0,'.repeat(50_000)));
      if (!res.destroyed) res.once('drain', () => endless(res));
    };
    const { balancer } = await rig.start(
      { one: ({ res }) => endless(res.writeHead(200, JSON_TYPE)) },
      { retry: { maxAttempts: 1 } },
    );
    expect(await rejection(balancer.chat(BODY))).toMatchObject({
      attempts: [{ class: 'bad_answer', code: 'response_too_large' }],
    });
  });

  it('in one event does not go through the fast path, which is for short events', async () => {
    const big = event({
      choices: [{ index: 0, delta: { content: 'x' }, finish_reason: null }],
      x: Array.from({ length: 300_000 }, () => 0),
    });
    const { balancer } = await rig.start({ one: sse(big, big, FINISH, DONE) });
    const startedAt = performance.now();
    JSON.parse(big.slice(6));
    const parseMs = performance.now() - startedAt;
    const before = process.cpuUsage();
    expect((await chatText(balancer, true)).text).toBe('xx');
    const { user, system } = process.cpuUsage(before);
    // The fast path took a hundred times what JSON.parse takes, and more for longer events.
    expect((user + system) / 1000).toBeLessThan(300 + 40 * parseMs);
  });
});

describe('an answer that is nested 100,000 levels deep', () => {
  const rig = new Rig();
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  const inContent = { message: { role: 'assistant', content: 'DEEP' } };

  it.each([
    ['in its content', JSON.stringify(completion(inContent)).replace('"DEEP"', deep)],
    ['beside its choices', JSON.stringify(completion({}, { extra: 'DEEP' })).replace('"DEEP"', deep)],
    ['as a whole', deep],
    ['as an error', `{"error":${deep}}`],
    ['and is not closed', '['.repeat(100_000)],
  ])('is replaced by the answer of another endpoint: %s', async (_what, body) => {
    const { balancer } = await rig.start({ bad: raw(200, body, JSON_TYPE), sound: answer('Hello') });
    for (const stream of [false, true]) {
      const { text: served, route } = await chatText(balancer, stream);
      expect(served).toBe('Hello');
      expect(route.attempts[0]?.class).toBe('bad_answer');
    }
  });

  it.each([
    ['content', `{"choices":[{"index":0,"delta":{"content":${deep}}}]}`],
    ['tool calls', `{"choices":[{"index":0,"delta":{"tool_calls":${deep}}}]}`],
    ['no choices', `{"x":${deep}}`],
  ])(
    'breaks a stream after its first content, and is replaced by another endpoint before: in an event with %s',
    async (_what, data) => {
      const bad = sse(text('hel'), `data: ${data}\n\n`, FINISH, DONE);
      const early = sse(`data: ${data}\n\n`, FINISH, DONE);
      const { balancer } = await rig.start({ bad, early, sound: answer('Hello') });
      expect(await rejection(chatText(balancer, true, { endpoint: 'bad' }))).toMatchObject({
        code: 'ERR_AI_STREAM_BROKEN',
        partialText: 'hel',
      });
      expect(await rejection(balancer.chat(BODY, { endpoint: 'bad', timeoutMs: 20_000 }))).toMatchObject({
        attempts: [{ class: 'bad_answer' }],
      });
      balancer.endpoint('bad').disable();
      expect((await chatText(balancer, true)).text).toBe('Hello');
    },
  );

  it.each([400, 429, 500])('is an ordinary error with status %i', async (status) => {
    const { balancer } = await rig.start({
      bad: raw(
        status,
        `{"error":{"message":"x","details":${'['.repeat(20_000)}${']'.repeat(20_000)}}}`,
        JSON_TYPE,
      ),
    });
    expect(await rejection(balancer.chat(BODY, { timeoutMs: 500 }))).toMatchObject({
      name: 'AiBalancerError',
    });
  });
});

describe('a stream with too much unreadable data', () => {
  const rig = new Rig();

  it.each([
    ['thousands of events that are not JSON', 'data: {"a":1\n\n'.repeat(3000)],
    ['an event of 100,000 lines', `${'data: {"a":1\n'.repeat(100_000)}\n`],
  ])('is broken: %s', async (_what, garbage) => {
    const { balancer } = await rig.start({ one: sse(text('hel'), garbage, text('lo'), FINISH, DONE) });
    expect(await rejection(chatText(balancer, true))).toMatchObject({ code: 'ERR_AI_STREAM_BROKEN' });
  });

  it('is still complete if its answer has ended before it', async () => {
    const deep = `data: ${'['.repeat(1000)}${']'.repeat(1000)}\n\n`;
    const garbage = deep + 'data: {"a":1\n\n'.repeat(3000);
    const { balancer } = await rig.start({ one: sse(text('hello'), FINISH, garbage, DONE) });
    expect((await chatText(balancer, true)).text).toBe('hello');
  });
});
