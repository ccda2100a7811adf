import type { EmbeddingResponse } from '../../../lib/call/answer';
import type { DialectCall } from '../../../lib/provider/dialect';
import { geminiDialect } from '../../../lib/provider/gemini/gemini-dialect';
import { ask, endpointOf } from '../fixtures/conversation';
import { readStream } from '../fixtures/read-stream';

const embeddings = (body: object) =>
  ({ operation: 'embeddings', stream: false, body: { model: 'm', ...body } }) as DialectCall;
const answer = (body: object, wire: unknown) =>
  geminiDialect.answer(
    { status: 200, headers: {}, body: JSON.stringify(wire) },
    embeddings(body),
  ) as EmbeddingResponse;

describe('Embeddings of the Gemini dialect', () => {
  it('of a single text are requested without dimensions unless the call has them', () => {
    const { body } = geminiDialect.request(embeddings({ input: 'a' }), endpointOf('gemini', 'e'));
    expect(JSON.parse(body)).toEqual({
      requests: [{ model: 'models/e', content: { parts: [{ text: 'a' }] } }],
    });
  });

  it('have the usage that the answer reports', () => {
    const wire = { embeddings: [{ values: [1] }], usageMetadata: { promptTokenCount: 7 } };
    expect(answer({ input: 'a' }, wire).usage).toEqual({ prompt_tokens: 7, total_tokens: 7 });
    expect(answer({ input: 'a' }, { ...wire, usageMetadata: {} }).usage).toEqual({
      prompt_tokens: 0,
      total_tokens: 0,
    });
  });

  it('are returned as they are if the answer is an error, and not accepted if it is not an object', () => {
    const error = { error: { code: 400, message: 'invalid' } };
    expect(answer({ input: 'a' }, error)).toEqual(error);
    expect(() => answer({ input: 'a' }, 'Hi')).toThrow('The answer is not an object.');
  });

  it('are empty if an entry has no values, and stay zero if all of them are', () => {
    const wire = { embeddings: [null, {}, { values: [0, 0] }] };
    expect(
      answer({ input: ['a', 'b', 'c'], dimensions: 2 }, wire).data.map(({ embedding }) => embedding),
    ).toEqual([[], [], [0, 0]]);
  });
});

describe('A stream of the Gemini dialect', () => {
  it('contains images', async () => {
    const inlineData = { mimeType: 'image/png', data: 'AAAA' };
    const events = [
      { candidates: [{ index: 0, content: { parts: [{ text: 'Here:' }, { inlineData }] } }] },
      {
        candidates: [{ index: 0, finishReason: 'STOP' }],
        usageMetadata: { promptTokenCount: 1, totalTokenCount: 2 },
      },
    ];
    const { choices } = await readStream(
      geminiDialect,
      events.map((event) => `data: ${JSON.stringify(event)}\n\n`),
    );
    expect(choices).toMatchObject([
      {
        finish_reason: 'stop',
        message: {
          content: 'Here:',
          images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }],
        },
      },
    ]);
  });
});

describe('The thinking of a request of the Gemini dialect', () => {
  const thinking = (model: string, fields: object) => {
    const { body } = geminiDialect.request(ask(fields), endpointOf('gemini', model));
    const { generationConfig = {} } = JSON.parse(body) as { generationConfig?: { thinkingConfig?: object } };
    return generationConfig.thinkingConfig;
  };

  it.each<[string, string, object, object | undefined]>([
    [
      'medium',
      'gemini-3-pro-preview',
      { reasoning_effort: 'medium' },
      { thinkingLevel: 'MEDIUM', includeThoughts: true },
    ],
    [
      'low',
      'gemini-3-pro-preview',
      { reasoning_effort: 'low' },
      { thinkingLevel: 'LOW', includeThoughts: true },
    ],
    [
      'off where it can not be',
      'gemini-3-pro-preview',
      { reasoning_effort: 'none' },
      { thinkingLevel: 'LOW' },
    ],
    ['off', 'gemini-2.5-flash', { reasoning_effort: 'none' }, { thinkingBudget: 0 }],
    [
      'off where the smallest budget is needed',
      'gemini-2.5-pro',
      { reasoning_effort: 'none' },
      { thinkingBudget: 128 },
    ],
    ['an unknown effort', 'gemini-2.5-pro', { reasoning_effort: 'enormous' }, undefined],
    [
      "Google's own level",
      'gemini-3-pro-preview',
      { extra_body: { google: { thinking_config: { thinking_level: 'high', include_thoughts: true } } } },
      { thinkingLevel: 'HIGH', includeThoughts: true },
    ],
    [
      "Google's own budget",
      'gemini-2.5-pro',
      { extra_body: { google: { thinking_config: { thinking_budget: 500 } } } },
      { thinkingBudget: 500 },
    ],
  ])('is %s', (_name, model, fields, expected) => {
    expect(thinking(model, fields)).toEqual(expected);
  });
});
