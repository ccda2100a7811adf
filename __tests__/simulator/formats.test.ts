import type { AiBalancerError, ChatCompletion, EndpointConfig } from 'express-ai-balancer';
import type { SimulatedProvider } from 'express-ai-balancer/simulator';
import { HELLO, Rig, rejection } from '../helpers/provider';

const rig = new Rig();

const LENGTHS = { 'x-simulate-output-tokens': '12' };
const CONVERSATION = {
  model: 'm',
  messages: [
    { role: 'system', content: 'Answer briefly.' },
    { role: 'user', content: 'Where is my parcel?' },
    { role: 'assistant', content: 'Which one?' },
    { role: 'user', content: 'The red one.' },
  ],
};
const TOOLS = [
  {
    type: 'function' as const,
    function: {
      name: 'find_order',
      parameters: { type: 'object', properties: { id: { type: 'string' }, days: { type: 'integer' } } },
    },
  },
];
const FORMATS: [name: string, endpoint: Partial<EndpointConfig>, path: string][] = [
  ['openai', {}, '/v1/chat/completions'],
  ['anthropic', {}, '/v1/messages'],
  ['azure', {}, '/v1/openai/v1/chat/completions'],
  ['azure', { apiVersion: '2024-10-21' }, '/v1/openai/deployments/m/chat/completions'], // terms-ok: Azure's path
  ['gemini', {}, '/v1/models/m:generateContent'],
];
const OTHERS = FORMATS.filter(([name]) => name !== 'openai');

function start(more: Parameters<Rig['provider']>[0] = {}) {
  return rig.provider({ models: { m: {} }, ...more });
}

function balancerFor(provider: SimulatedProvider, format: string, endpoint: Partial<EndpointConfig> = {}) {
  const main = { name: 'main', model: 'm', provider: format, baseURL: provider.url, apiKey: 'sk-test' };
  return rig.balancer([{ ...main, headers: LENGTHS, ...endpoint }], { retry: { maxAttempts: 1 } });
}

function choiceOf(answer: ChatCompletion) {
  return answer.choices[0]!;
}

describe.each(FORMATS)(
  'A balancer whose endpoint is a simulated provider of %s %j',
  (name, endpoint, path) => {
    it('gets a whole answer, and the counts of tokens that the OpenAI format has for this prompt', async () => {
      const provider = await start();
      const answer = await balancerFor(provider, name, endpoint).chat(CONVERSATION);
      expect(choiceOf(answer)).toMatchObject({
        finish_reason: 'stop',
        message: { content: 'thank you for writing to us about your order it left our' },
      });
      const prompt = Math.ceil(JSON.stringify(CONVERSATION.messages).length / 4);
      expect(answer.usage).toMatchObject({
        prompt_tokens: prompt,
        completion_tokens: 12,
        total_tokens: prompt + 12,
      });
      expect(provider.stats()).toMatchObject({ answered: 1, promptTokens: prompt, outputTokens: 12 });
      expect(provider.requests).toMatchObject([{ path, model: 'm', stream: false }]);
      expect(JSON.stringify(provider.requests)).not.toContain('sk-test');
    });

    it('gets a stream with the same text, finish reason and counts', async () => {
      const provider = await start();
      const balancer = balancerFor(provider, name, endpoint);
      const whole = await balancer.chat(CONVERSATION);
      let text = '';
      let finish: string | null | undefined;
      let usage: unknown;
      const options = { include_usage: true };
      for await (const chunk of await balancer.chat({
        ...CONVERSATION,
        stream: true,
        stream_options: options,
      })) {
        text += chunk.choices[0]?.delta.content ?? '';
        finish = chunk.choices[0]?.finish_reason ?? finish;
        usage = chunk.usage ?? usage;
      }
      expect(text).toBe(choiceOf(whole).message.content);
      expect(finish).toBe('stop');
      expect(usage).toMatchObject({
        prompt_tokens: whole.usage?.prompt_tokens,
        completion_tokens: whole.usage?.completion_tokens,
      });
      expect(provider.requests).toMatchObject([{ stream: false }, { stream: true }]);
    });

    it('gets a call of a required tool, whole and as a stream', async () => {
      const balancer = balancerFor(await start(), name, endpoint);
      const body = { ...CONVERSATION, tools: TOOLS, tool_choice: 'required' as const };
      const choice = choiceOf(await balancer.chat(body));
      expect(choice.finish_reason).toBe('tool_calls');
      const called = choice.message.tool_calls?.[0];
      expect(called).toMatchObject({
        type: 'function',
        function: { name: 'find_order', arguments: '{"id":"text","days":1}' },
      });
      let streamed = '';
      for await (const { choices } of await balancer.chat({ ...body, stream: true })) {
        for (const call of choices[0]?.delta.tool_calls ?? [])
          streamed += `${call.function?.name ?? ''} ${call.function?.arguments ?? ''}`;
      }
      expect(streamed.replace(/\s/g, '')).toBe('find_order{"id":"text","days":1}');
    });

    it('can send back the call of a tool and its result', async () => {
      const provider = await start({ reply: (body) => JSON.stringify(body.messages) });
      const call = {
        id: 'call_1',
        type: 'function' as const,
        function: { name: 'find_order', arguments: '{"id":"a"}' },
      };
      const messages = [
        { role: 'user', content: 'Where is a?' },
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: 'call_1', content: 'sent' },
      ];
      const answer = await balancerFor(provider, name, endpoint).chat({ model: 'm', messages, tools: TOOLS });
      expect(JSON.parse(choiceOf(answer).message.content ?? '')).toEqual(messages);
    });

    it('is cut off at max_tokens', async () => {
      const answer = await balancerFor(await start(), name, endpoint).chat({
        ...CONVERSATION,
        max_tokens: 5,
      });
      expect(choiceOf(answer).finish_reason).toBe('length');
      expect(answer.usage?.completion_tokens).toBe(5);
    });

    it('is answered by the function reply, which gets the request in the OpenAI format', async () => {
      const provider = await start({
        reply: ({ messages }) =>
          `Got ${(messages as { content: string }[]).map(({ content }) => content).join('|')}`,
      });
      const answer = await balancerFor(provider, name, endpoint).chat(CONVERSATION);
      expect(choiceOf(answer).message.content).toBe(
        'Got Answer briefly.|Where is my parcel?|Which one?|The red one.',
      );
    });

    it('is refused while the limit is used up, and the balancer honors the retry time', async () => {
      const provider = await start({ models: { m: { rpm: 6, bucketSeconds: 10 } } });
      // The balancer knows of no limit, so the second call is sent at once.
      const balancer = balancerFor(provider, name, endpoint);
      await balancer.chat(CONVERSATION);
      const error = await rejection(balancer.chat(CONVERSATION, { timeoutMs: 4_000 }));
      expect(error).toMatchObject({ attempts: [{ class: 'rate_limited', status: 429 }] });
      // The limit admits a call every 10 s. Without a retry time, the cooldown would be about a second.
      expect((error as AiBalancerError).retryAfterMs).toBeGreaterThan(5_000);
      expect(provider.stats()).toMatchObject({ answered: 1, rateLimited: 1 });
    });

    it.each([
      [{ kind: 'err5xx' }, 'server'],
      [{ kind: 'err5xx', status: 503 }, 'server'],
      [{ kind: 'storm429', share: 1 }, 'rate_limited'],
      [{ kind: 'unauthorized' }, 'unauthorized'],
      [{ kind: 'quota_exhausted' }, 'quota_exhausted'],
      [{ kind: 'model_missing' }, 'model_missing'],
      [{ kind: 'error', status: 503, afterMs: 0 }, 'server'],
      [{ kind: 'error', status: 400, afterMs: 0 }, 'bad_request'],
      [{ kind: 'bad_answer', form: 'html' }, 'bad_answer'],
      [{ kind: 'bad_answer', form: 'truncated_json' }, 'bad_answer'],
      [{ kind: 'bad_answer', form: 'empty_choices' }, 'bad_answer'],
      [{ kind: 'reset' }, 'connection'],
    ] as const)('classifies the fault %j as %s, whole and as a stream', async (fault, failureClass) => {
      const provider = await start();
      for (const stream of [false, true]) {
        const balancer = balancerFor(provider, name, endpoint);
        provider.fault(fault);
        // Less than any Retry-After of the faults, so that the balancer doesn't wait for it.
        const options = { timeoutMs: 1_900 };
        const failed = stream
          ? (async () => {
              const chunks = await balancer.chat({ ...CONVERSATION, stream: true }, options);
              for await (const chunk of chunks) expect(chunk.object).toBe('chat.completion.chunk');
            })()
          : balancer.chat(CONVERSATION, options);
        expect(await rejection(failed)).toMatchObject({
          attempts: expect.arrayContaining([expect.objectContaining({ class: failureClass })]) as unknown,
        });
        await provider.clearFaults();
      }
    });

    it('is refused if the prompt is longer than the context window', async () => {
      const balancer = balancerFor(await start({ models: { m: { contextWindow: 10 } } }), name, endpoint);
      expect(await rejection(balancer.chat(CONVERSATION))).toMatchObject({ code: 'ERR_AI_CONTEXT_WINDOW' });
    });

    it('is refused as too large if it alone exceeds the limit', async () => {
      const balancer = balancerFor(await start({ models: { m: { tpm: 10 } } }), name, endpoint);
      expect(await rejection(balancer.chat(CONVERSATION))).toMatchObject({
        attempts: [{ class: 'too_large' }],
      });
    });

    it('needs one of the keys', async () => {
      const provider = await start({ keys: ['right'] });
      const ask = (apiKey: string) => balancerFor(provider, name, { ...endpoint, apiKey }).chat(CONVERSATION);
      expect(choiceOf(await ask('right')).finish_reason).toBe('stop');
      expect(await rejection(ask('wrong'))).toMatchObject({ attempts: [{ class: 'unauthorized' }] });
    });
  },
);

describe.each(OTHERS)('A stream of a simulated provider of %s %j', (name, endpoint) => {
  it.each([
    [{ kind: 'cut', afterTokens: 5 }, 'bad_answer'],
    [{ kind: 'bad_answer', form: 'error_object' }, 'server'],
    [{ kind: 'bad_answer', form: 'no_finish' }, 'bad_answer'],
  ] as const)('breaks with the fault %j after its first token', async (fault, failureClass) => {
    const provider = await start();
    provider.fault({ ...fault, calls: 1 });
    let text = '';
    const failed = (async () => {
      const stream = await balancerFor(provider, name, endpoint).chat({ ...CONVERSATION, stream: true });
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    })();
    expect(await rejection(failed)).toMatchObject({
      code: 'ERR_AI_STREAM_BROKEN',
      attempts: [{ class: failureClass }],
    });
    expect(text).toMatch(/^thank you for writing to/);
  });
});

describe.each(OTHERS.filter(([name]) => name !== 'anthropic'))(
  'An embeddings call to a simulated provider of %s %j',
  (name, endpoint) => {
    it('gets the vectors and counts that the OpenAI format has', async () => {
      const provider = await start();
      const body = { model: 'm', input: ['Hello', 'How are you?'], dimensions: 4 };
      const [expected, got] = await Promise.all([
        balancerFor(provider, 'openai').embeddings(body),
        balancerFor(provider, name, endpoint).embeddings(body),
      ]);
      expect(got.usage).toEqual(expected.usage);
      expect(got.data).toHaveLength(2);
      for (const [at, { embedding }] of got.data.entries())
        for (const [place, value] of embedding.entries())
          expect(value).toBeCloseTo((expected.data[at]?.embedding as number[])[place]!, 6);
    });
  },
);

it('A balancer moves a call between simulated providers of different formats', async () => {
  const [down, up] = await Promise.all([start(), start()]);
  down.fault({ kind: 'err5xx', status: 503 });
  const balancer = rig.balancer([
    { name: 'claude', model: 'm', provider: 'anthropic', baseURL: down.url, apiKey: 'a' },
    { name: 'gemini', model: 'm', provider: 'gemini', baseURL: up.url, apiKey: 'b', tier: 1 },
  ]);
  const { route } = await balancer.chat({ ...HELLO, model: 'm' }).withRoute();
  expect(route.attempts).toMatchObject([
    { endpoint: 'claude', class: 'server', status: 529 },
    { endpoint: 'gemini' },
  ]);
});
