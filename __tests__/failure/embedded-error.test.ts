import { classifyEmbeddedError, holdsError } from '../../lib/failure/check-answer';

describe('an error inside a successful response', () => {
  it.each([
    [
      'OpenAI: a server error',
      undefined,
      { error: { message: 'The server had an error', type: 'server_error', param: null, code: null } },
      'server',
    ],
    [
      'OpenAI: a rate limit',
      undefined,
      { error: { message: 'Rate limit reached', type: 'requests', code: 'rate_limit_exceeded' } },
      'rate_limited',
    ],
    [
      'Azure: a content filter',
      undefined,
      {
        error: {
          message: 'filtered',
          code: 'content_filter',
          status: 400,
          innererror: { code: 'ResponsibleAIPolicyViolation' },
        },
      },
      'content_policy',
    ],
    // https://docs.claude.com/en/docs/build-with-claude/streaming#error-events
    [
      'Anthropic: overload',
      'error',
      { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
      'server',
    ],
    [
      'Anthropic: a rate limit',
      'error',
      { type: 'error', error: { type: 'rate_limit_error', message: 'slow' } },
      'rate_limited',
    ],
    [
      'Anthropic: an invalid request',
      'error',
      { type: 'error', error: { type: 'invalid_request_error', message: 'no' } },
      'bad_request',
    ],
    [
      'Anthropic: a revoked key',
      'error',
      { type: 'error', error: { type: 'authentication_error', message: 'invalid x-api-key' } },
      'unauthorized',
    ],
    // https://openrouter.ai/docs/api/reference/errors-and-debugging, mid-stream errors
    [
      'OpenRouter: a provider that disconnected',
      undefined,
      {
        id: 'cmpl-1',
        object: 'chat.completion.chunk',
        provider: 'openai',
        error: { code: 'server_error', message: 'Provider disconnected unexpectedly' },
        choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error' }],
      },
      'server',
    ],
    [
      'OpenRouter: a rate limit',
      undefined,
      {
        error: { code: 429, message: 'limit', metadata: { error_type: 'rate_limit_exceeded' } },
        choices: [{ finish_reason: 'error' }],
      },
      'rate_limited',
    ],
    [
      'OpenRouter: only a finish_reason of error',
      undefined,
      { choices: [{ delta: {}, finish_reason: 'error' }] },
      'server',
    ],
    [
      'Gemini: unavailable, in an array',
      undefined,
      [{ error: { code: 503, status: 'UNAVAILABLE', message: 'overloaded' } }],
      'server',
    ],
    [
      'Gemini: an exhausted resource',
      undefined,
      { error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'x' } },
      'rate_limited',
    ],
    ['a proxy: an error that is a string', undefined, { error: 'upstream closed' }, 'server'],
    ['a proxy: a named event with text', 'error', 'upstream closed', 'server'],
  ])('is classified for %s', (_what, event, data, expected) => {
    expect(classifyEmbeddedError(data).class).toBe(expected);
    // An event named `error` is an error, whatever its data.
    if (event === undefined) expect(holdsError(data)).toBe(true);
  });

  it('has the status that the error states', () => {
    expect(classifyEmbeddedError({ error: { code: 502, message: 'gone' } })).toEqual({
      class: 'server',
      status: 502,
      code: '502',
      message: 'gone',
    });
  });

  it.each([
    ['an ordinary chunk', { choices: [{ delta: { content: 'error' }, finish_reason: null }] }],
    ['a chunk with a null error', { error: null, choices: [] }],
    ['the end of the stream', '[DONE]'],
    ['a number', 7],
    ['a broken event', '{"choices":['],
  ])('is not detected in %s', (_what, data) => {
    expect(holdsError(data)).toBe(false);
  });
});
