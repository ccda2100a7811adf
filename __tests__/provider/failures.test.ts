import type { Balancer } from 'express-ai-balancer';
import { answer, inSequence, json, type Responder, Rig, raw, rejection } from '../failover/upstream';
import { OVERLOADED_EVENT, TEXT_EVENTS, TEXT_MESSAGE, toSse } from './anthropic/fixtures';
import { BLOCKED_ANSWER, toSse as geminiSse, TEXT_ANSWER } from './gemini/fixtures';

const body = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] };
const stream =
  (text: string): Responder =>
  ({ res }) =>
    res.writeHead(200, { 'content-type': 'text/event-stream' }).end(text);
const claudeError =
  (status: number, type: string, message: string): Responder =>
  (arrival) =>
    json(arrival, status, { type: 'error', error: { type, message } });
const geminiError =
  (code: number, status: string, message: string, details: object[] = []): Responder =>
  (arrival) =>
    json(arrival, code, { error: { code, message, status, details } });

const MALFORMED = {
  candidates: [{ content: { role: 'model', parts: [] }, finishReason: 'MALFORMED_FUNCTION_CALL', index: 0 }],
};

/** Calls an endpoint of this provider that fails so, with a sound one after it. */
async function failover(rig: Rig, provider: string, responder: Responder): Promise<{ balancer: Balancer }> {
  return rig.start({ a: responder, b: answer('Served') }, { each: { a: { provider } } });
}

describe('A failure of a provider with its own format', () => {
  const rig = new Rig();

  it.each<[string, string, Responder, object]>([
    [
      'overload',
      'anthropic',
      claudeError(529, 'overloaded_error', 'Overloaded'),
      { class: 'server', status: 529 },
    ],
    [
      'a used-up credit balance',
      'anthropic',
      claudeError(
        400,
        'invalid_request_error',
        'Your credit balance is too low to access the Anthropic API.',
      ),
      { class: 'quota_exhausted' },
    ],
    [
      'an HTML page instead of an answer',
      'anthropic',
      raw(200, '<html>Hello</html>'),
      { class: 'bad_answer' },
    ],
    [
      'half an answer',
      'anthropic',
      raw(200, JSON.stringify(TEXT_MESSAGE).slice(0, 200)),
      { class: 'bad_answer' },
    ],
    [
      'an answer without content',
      'anthropic',
      (arrival) => json(arrival, 200, { ...TEXT_MESSAGE, content: [] }),
      { class: 'bad_answer' },
    ],
    [
      'a wrong key',
      'gemini',
      geminiError(400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.', [
        { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' },
      ]),
      { class: 'unauthorized' },
    ],
    [
      'a limit per minute',
      'gemini',
      geminiError(429, 'RESOURCE_EXHAUSTED', 'You exceeded your current quota.', [
        { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34s' },
      ]),
      { class: 'rate_limited' },
    ],
    [
      'a malformed function call',
      'gemini',
      (arrival) => json(arrival, 200, MALFORMED),
      { class: 'bad_answer' },
    ],
  ])('lets another endpoint serve the call: %s of %s', async (_what, provider, responder, attempt) => {
    const { balancer } = await failover(rig, provider, responder);
    const { data, route } = await balancer.chat(body).withRoute();
    expect(data.choices[0]?.message.content).toBe('Served');
    expect(route.attempts[0]).toMatchObject(attempt);
  });

  it.each<[string, string, Responder]>([
    ['overload', 'anthropic', stream(OVERLOADED_EVENT)],
    ['an end before the first token', 'anthropic', stream(toSse(TEXT_EVENTS.slice(0, 3)))],
    ['a malformed function call', 'gemini', stream(geminiSse([MALFORMED as never]))],
    ['a stream that ends at once', 'gemini', stream('')],
  ])(
    'before the first content of a stream lets another endpoint serve the call: %s of %s',
    async (_what, provider, responder) => {
      const { balancer } = await failover(rig, provider, responder);
      let text = '';
      for await (const chunk of await balancer.chat({ ...body, stream: true }))
        text += chunk.choices[0]?.delta.content ?? '';
      expect(text).toBe('Served');
    },
  );

  it.each<[string, string, string]>([
    ['anthropic', 'cut', toSse(TEXT_EVENTS.slice(0, 5))],
    ['anthropic', 'overloaded', toSse(TEXT_EVENTS.slice(0, 5)) + OVERLOADED_EVENT],
    [
      'gemini',
      'cut',
      geminiSse([{ ...TEXT_ANSWER, candidates: [{ content: { parts: [{ text: 'Half' }] }, index: 0 }] }]),
    ],
  ])(
    'after the first content of a stream causes an error, never a short answer: %s, %s',
    async (provider, _how, text) => {
      const { balancer } = await failover(rig, provider, stream(text));
      const read = async (): Promise<void> => {
        for await (const chunk of await balancer.chat({ ...body, stream: true }))
          expect(chunk.choices[0]?.finish_reason ?? null).toBeNull();
      };
      expect(await rejection(read())).toMatchObject({ code: 'ERR_AI_STREAM_BROKEN' });
    },
  );

  it.each([false, true])(
    'does not include a blocked prompt, which ends the call without failover (streamed: %s)',
    async (isStream) => {
      const blocked: Responder = (arrival) =>
        isStream ? stream(geminiSse([BLOCKED_ANSWER]))(arrival) : json(arrival, 200, BLOCKED_ANSWER);
      const { balancer } = await failover(rig, 'gemini', blocked);
      const refused = await rejection(Promise.resolve(balancer.chat({ ...body, stream: isStream } as never)));
      expect(refused).toMatchObject({ code: 'ERR_AI_CONTENT_POLICY' });
    },
  );

  it('is retried at the same endpoint until the provider has recovered', async () => {
    const recovers = inSequence(claudeError(529, 'overloaded_error', 'Overloaded'), (arrival) =>
      json(arrival, 200, TEXT_MESSAGE),
    );
    const { balancer } = await rig.start({ a: recovers }, { each: { a: { provider: 'anthropic' } } });
    const { data, route } = await balancer.chat(body, { estimatedTokens: 2000 }).withRoute();
    expect(data.choices[0]?.message.content).toBe('It is sunny in Lyon: 24 °C.');
    expect(route.usage).toMatchObject({ prompt_tokens_details: { cached_tokens: 1500 } });
  });
});
