import {
  classifyUnreadableAnswer,
  type ExpectedAnswer,
  findAnswerFault,
} from '../../lib/failure/check-answer';

const whole = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
};
const vectors = { object: 'list', data: [{ object: 'embedding', index: 0, embedding: [0.1, 0.2] }] };
/** Checks a body as the transport does: a text is parsed first, and classified as unreadable if it can't be parsed. */
function check(body: unknown, kind: 'chat' | 'embeddings' = 'chat', inputs = 1) {
  const expected: ExpectedAnswer = kind === 'chat' ? { kind } : { kind, inputs };
  if (typeof body !== 'string') return findAnswerFault(body, expected, 200);
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return classifyUnreadableAnswer({ status: 200, headers: {}, body });
  }
  return findAnswerFault(parsed, expected, 200);
}

describe('a complete answer', () => {
  it('is accepted', () => {
    expect(check(whole)).toBeUndefined();
    expect(check(JSON.stringify(whole))).toBeUndefined();
    expect(check(vectors, 'embeddings')).toBeUndefined();
  });

  it.each([
    [
      'a refusal',
      { choices: [{ message: { role: 'assistant', content: null, refusal: 'No.' }, finish_reason: 'stop' }] },
    ],
    [
      'tool calls without text',
      {
        choices: [
          { message: { role: 'assistant', content: null, tool_calls: [{}] }, finish_reason: 'tool_calls' },
        ],
      },
    ],
    [
      'an answer cut off by a content filter',
      { choices: [{ message: { role: 'assistant', content: '' }, finish_reason: 'content_filter' }] },
    ],
    ['an error field that is null', { ...whole, error: null }],
    ['vectors in base64', undefined],
  ])('is accepted: %s', (_what, body) => {
    if (body === undefined) expect(check({ data: [{ embedding: 'AAAA' }] }, 'embeddings')).toBeUndefined();
    else expect(check(body)).toBeUndefined();
  });

  it('is accepted with many megabytes of text', () => {
    const body = JSON.stringify({
      choices: [{ message: { role: 'assistant', content: 'x'.repeat(3_000_000) } }],
    });
    expect(check(body)).toBeUndefined();
  });
});

describe('a 200 that is not an answer', () => {
  it.each([
    ['an empty body', '', 'empty_body'],
    ['a blank body', ' \n', 'empty_body'],
    ['an HTML page', '<!DOCTYPE html><html><body>Sign in</body></html>', 'html_body'],
    ['truncated JSON', JSON.stringify(whole).slice(0, -20), 'invalid_json'],
    ['plain text', 'upstream connect error', 'invalid_json'],
    ['a JSON string', '"ok"', 'invalid_json'],
    ['null', null, 'invalid_json'],
    ['a number', 42, 'invalid_json'],
    ['no choices', { id: 'x' }, 'no_choices'],
    ['empty choices', { choices: [] }, 'no_choices'],
    ['a choice that is null', { choices: [null] }, 'no_choices'],
    ['a choice without a message', { choices: [{ index: 0, finish_reason: 'stop' }] }, 'no_message'],
    ['a second choice without a message', { choices: [whole.choices[0], { index: 1 }] }, 'no_message'],
    ['an array', [whole.choices[0]], 'invalid_json'],
    ['embeddings in place of a chat answer', vectors, 'no_choices'],
  ])('is a bad_answer: %s', (_what, body, code) => {
    expect(check(body)).toMatchObject({ class: 'bad_answer', code, status: 200 });
  });

  it('is a bad_answer: a finish_reason of error', () => {
    expect(check({ choices: [{ message: { content: 'half' }, finish_reason: 'error' }] })).toMatchObject({
      class: 'bad_answer',
      status: 200,
    });
  });

  it.each([
    ['no data', {}],
    ['empty data', { data: [] }],
    ['an empty vector', { data: [{ embedding: [] }] }],
    ['a missing vector among others', { data: [{ embedding: [1] }, { index: 1 }] }],
    ['an entry that is not a vector', { object: 'list', data: [{ id: 'gpt-4o' }] }],
    ['choices in place of vectors', whole],
    ['a null in a vector', { data: [{ embedding: [0.5, null] }] }],
    ['NaN in a vector', { data: [{ embedding: [Number.NaN] }] }],
    ['Infinity in a vector', { data: [{ embedding: [Number.POSITIVE_INFINITY] }] }],
    ['strings in a vector', { data: [{ embedding: ['0.5'] }] }],
    ['an empty string', { data: [{ embedding: '' }] }],
    ['a text that is not base64', { data: [{ embedding: 'not a vector' }] }],
  ])('is a bad_answer: embeddings with %s', (_what, body) => {
    expect(check(body, 'embeddings')).toMatchObject({ class: 'bad_answer', code: 'no_embeddings' });
  });

  it.each([
    ['vectors of unequal length', [[1, 2], [1]], 'unequal_embeddings'],
    ['base64 of unequal length', ['AACAPwAAgD8=', 'AACAPw=='], 'unequal_embeddings'],
    ['both numbers and base64', [[1], 'AACAPw=='], 'unequal_embeddings'],
    ['fewer vectors than inputs', [[1]], 'wrong_count'],
    ['more vectors than inputs', [[1], [2], [3]], 'wrong_count'],
  ])('is a bad_answer: embeddings with %s', (_what, list, code) => {
    const data = (list as unknown[]).map((embedding, index) => ({ object: 'embedding', index, embedding }));
    expect(check({ data }, 'embeddings', 2)).toMatchObject({ class: 'bad_answer', code });
  });

  it.each([
    ['a repeated index', [0, 0], 'wrong_count'],
    ['an index beyond the inputs', [0, 2], 'wrong_index'],
    ['a negative index', [-1, 0], 'wrong_index'],
    ['an index that is a string', ['0', '1'], 'wrong_index'],
  ])('is a bad_answer: embeddings with %s', (_what, indices, code) => {
    const data = (indices as unknown[]).map((index) => ({ index, embedding: [1] }));
    expect(check({ data }, 'embeddings', 2)).toMatchObject({ class: 'bad_answer', code });
  });

  it.each([
    ['in any order', [{ index: 1 }, { index: 0 }]],
    ['without indices', [{}, {}]],
  ])('is not a bad_answer: embeddings %s', (_what, entries) => {
    const data = entries.map((entry) => ({ ...entry, embedding: [1, 2] }));
    expect(check({ data }, 'embeddings', 2)).toBeUndefined();
  });
});

describe('an error object in a 200 response', () => {
  it.each([
    ['with a message only', { error: { message: 'boom', type: 'server_error' } }, 'bad_answer'],
    ['as a string', { error: 'boom' }, 'bad_answer'],
    [
      'of a provider that is down (OpenRouter)',
      { error: { code: 502, message: 'Provider returned error' } },
      'bad_answer',
    ],
    [
      'in an array (Gemini)',
      [{ error: { code: 503, status: 'UNAVAILABLE', message: 'overloaded' } }],
      'bad_answer',
    ],
    [
      'inside a choice (OpenRouter)',
      { choices: [{ error: { code: 502, message: 'x' }, finish_reason: 'error' }] },
      'bad_answer',
    ],
    ['about a rate limit', { error: { code: 429, message: 'slow down' } }, 'rate_limited'],
    [
      'about a moderated prompt',
      { error: { code: 403, message: 'flagged', metadata: { reasons: ['violence'] } } },
      'content_policy',
    ],
    [
      'about a prompt that is too long',
      { error: { message: 'x', code: 'context_length_exceeded' } },
      'context_window',
    ],
    [
      "about the caller's fault",
      { error: { message: 'bad n', type: 'invalid_request_error' } },
      'bad_request',
    ],
    ['about a used-up quota', { error: { message: 'x', code: 'insufficient_quota' } }, 'quota_exhausted'],
  ])('is classified by its content: %s', (_what, body, expected) => {
    expect(check(body)?.class).toBe(expected);
    expect(check(JSON.stringify(body))?.class).toBe(expected);
  });

  it('is a bad_answer if there are choices as well', () => {
    expect(check({ ...whole, error: { message: 'half way', code: 500 } })).toMatchObject({
      class: 'bad_answer',
    });
  });
});

// https://ai.google.dev/api/generate-content#PromptFeedback
it('a prompt that Gemini blocked is classified as content_policy', () => {
  expect(check({ promptFeedback: { blockReason: 'SAFETY', safetyRatings: [] } })).toMatchObject({
    class: 'content_policy',
    code: 'SAFETY',
  });
});
