import { FAILURE_RULES } from '../../lib/failure/classes';
import { classifyAnswer } from '../../lib/failure/classify-answer';
import { ruleFor } from '../../lib/failure/detail';
import { anthropic } from './fixtures/anthropic';
import { azure } from './fixtures/azure';
import { wireText } from './fixtures/documented';
import { gemini } from './fixtures/gemini';
import { openai } from './fixtures/openai';
import { deepseek, groq, mistral, openrouter } from './fixtures/openai-compatible';
import { newApiProxies, plainProxies } from './fixtures/proxies';

const NOW = Date.parse('2026-01-01T00:00:00Z');

beforeEach(() => {
  jest.useFakeTimers({ now: NOW });
});
afterEach(() => {
  jest.useRealTimers();
});

describe.each([
  ['OpenAI', openai],
  ['Azure OpenAI', azure],
  ['Anthropic', anthropic],
  ['Gemini', gemini],
  ['DeepSeek', deepseek],
  ['Groq', groq],
  ['Mistral', mistral],
  ['OpenRouter', openrouter],
  ['a new-api proxy', newApiProxies],
  ['a plain proxy', plainProxies],
])('classifyAnswer with a response of %s', (_provider, answers) => {
  test.each(answers)('$title ($status) is $class', (documented) => {
    const detail = classifyAnswer({
      status: documented.status,
      headers: documented.headers ?? {},
      body: wireText(documented.body),
    });
    expect(detail).toMatchObject({ class: documented.class, status: documented.status });
    expect(detail.retryAfterMs).toBe(documented.retryAfterMs);
    expect(detail.message).not.toBe('');
  });
});

const json = (body: unknown) => JSON.stringify(body);

describe('the detail of a failure', () => {
  it('has the code, type and param', () => {
    const body = json({
      error: { message: 'no', type: 'invalid_request_error', code: 'invalid_value', param: 'n' },
    });
    expect(classifyAnswer({ status: 400, headers: {}, body })).toEqual({
      class: 'bad_request',
      status: 400,
      code: 'invalid_value',
      type: 'invalid_request_error',
      param: 'n',
      message: 'no',
    });
  });

  it('has a message of at most 1,000 characters that splits no surrogate pair', () => {
    const detail = classifyAnswer({
      status: 400,
      headers: {},
      body: json({ error: { message: '😀'.repeat(5000) } }),
    });
    expect(detail.message.length).toBeLessThanOrEqual(1000);
    expect(detail.message).toBe('😀'.repeat(500));
  });

  it('has a message that is cut before a surrogate pair that would be split', () => {
    const body = json({ error: { message: `x${'😀'.repeat(5000)}` } });
    expect(classifyAnswer({ status: 400, headers: {}, body }).message).toBe(`x${'😀'.repeat(499)}`);
  });

  it.each<[string, number, unknown, string]>([
    [
      'a content policy',
      404,
      { error: { code: 'content_filter', message: 'The response was filtered' } },
      'content_policy',
    ],
    ['a missing model, in plain text', 404, 'The model `x` does not exist', 'not_served'],
    ['a missing model and nothing else, in plain text', 404, 'model: gpt-9', 'not_served'],
    ['a missing model and nothing else', 404, { error: { message: 'model: gpt-9' } }, 'model_missing'],
    [
      'a request above the limit in thousands',
      429,
      { error: { message: 'Request too large for m: Limit: 30k, Requested: 45k' } },
      'too_large',
    ],
    [
      'a request below the limit in thousands',
      429,
      { error: { message: 'Limit: 30k tokens per minute, Used: 29k, Requested: 2k' } },
      'rate_limited',
    ],
    [
      'a quota without an id',
      429,
      { error: { details: [{ violations: [{ quotaId: 7 }, null] }], message: 'Quota exceeded' } },
      'rate_limited',
    ],
  ])('names %s', (_what, status, body, expected) => {
    const text = typeof body === 'string' ? body : json(body);
    expect(classifyAnswer({ status, headers: {}, body: text }).class).toBe(expected);
  });

  it.each<[string, unknown, string]>([
    ['JSON', { error: { message: 'it is down', type: 'overloaded' } }, 'it is down'],
    ['JSON without a code', { message: 'it is down' }, 'it is down'],
    ['text', 'it is down', 'it is down'],
    ['a long text', `it is down ${'x'.repeat(200_000)}`, 'it is down'],
  ])('has the message of the provider behind a router, sent as %s', (_what, nested, message) => {
    const raw = typeof nested === 'string' ? nested : json(nested);
    const body = json({ error: { message: 'Provider returned error', code: 502, metadata: { raw } } });
    expect(classifyAnswer({ status: 502, headers: {}, body }).message).toContain(message);
  });

  it('has only the title of an HTML page as its message', () => {
    const body = '<html><head><title>502 Bad Gateway</title></head><body>secret prompt</body></html>';
    expect(classifyAnswer({ status: 502, headers: {}, body }).message).toBe('HTML page: 502 Bad Gateway');
  });

  it("omits the caller's input that a validation error quotes", () => {
    const body = json({
      detail: [{ loc: ['body', 'messages', 0], msg: 'Input should be a string', input: 'my secret prompt' }],
    });
    expect(classifyAnswer({ status: 422, headers: {}, body }).message).toBe(
      'body.messages.0: Input should be a string',
    );
  });

  it.each([
    [
      'an OpenAI key',
      'Incorrect API key provided: sk-proj-abcdefghijklmnop1234. See the docs.',
      'abcdefghijklmnop',
    ],
    ['a masked key', 'Incorrect API key provided: sk-abcd********************wxyz.', 'wxyz'],
    ['an Anthropic key', 'bad key sk-ant-api03-AbCdEf_123-xyz', 'AbCdEf'],
    ['a Groq key', 'bad key gsk_AbCdEf123456789', 'AbCdEf'],
    ['a Google key', 'bad key AIzaSyD-1234567890abcdef', '1234567890'],
    ['a bearer token', 'Header was: Bearer abc.def-ghi_jkl', 'abc.def'],
    ['a key in a URL', 'GET https://x.test/v1?alt=sse&key=abcdef123456&x=1', 'abcdef123456'],
    ['a key in a header', 'api-key: 0123456789abcdef', '0123456789abcdef'],
    ['a JSON Web Token', 'token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln', 'eyJzdWIi'],
    ['a bare Azure key', 'key 0123456789abcdef0123456789abcdef denied', '0123456789abcdef'],
  ])('redacts %s in the message', (_what, message, secret) => {
    for (const body of [json({ error: { message } }), message]) {
      const detail = classifyAnswer({ status: 401, headers: {}, body });
      expect(JSON.stringify(detail)).not.toContain(secret);
      expect(detail.message).toContain('[redacted]');
    }
  });
});

describe('a request cannot make an endpoint unavailable to other callers', () => {
  const affectsOthers = (detail: ReturnType<typeof classifyAnswer>) => {
    const rule = ruleFor(detail);
    return rule.cooldownScope !== 'none' || rule.countsAgainstEndpoint;
  };

  it.each([
    [
      'an echo of a message about a bad key',
      400,
      {
        error: { message: "Invalid value: 'API key not valid. Please pass a valid API key.'", param: 'user' },
      },
    ],
    [
      'an echo of a message about used-up credit',
      400,
      { error: { message: "Unknown tool 'Your credit balance is too low'", type: 'invalid_request_error' } },
    ],
    [
      'an echo of a message about a missing model',
      400,
      { error: { message: "Invalid 'user': The model `x` does not exist" } },
    ],
    ['a plain text that says the key is bad', 400, 'API key not valid. Please pass a valid API key.'],
    ['a page that says the key is bad', 403, '<html><title>API key not valid</title></html>'],
    ['a bare 403', 403, { error: { message: 'Forbidden' } }],
    [
      'a moderated prompt',
      403,
      { error: { code: 403, message: 'flagged', metadata: { reasons: ['violence'] } } },
    ],
    ['a 404 for a file', 404, { error: { message: 'No such File object: file-abc', param: 'id' } }],
    [
      'a refused image URL',
      403,
      { error: { code: 'permission_denied', message: 'Cannot fetch the image url' } },
    ],
    [
      'a refused parameter',
      403,
      { error: { code: 'access_denied', message: 'Not allowed', param: 'service_tier' } },
    ],
    [
      'a request too large for a minute',
      429,
      {
        error: {
          message: 'Request too large for gpt-4o: Limit 30000, Requested 90000',
          code: 'rate_limit_exceeded',
        },
      },
    ],
    [
      'a flex tier that is full',
      429,
      { error: { message: 'Resource unavailable', code: 'resource_unavailable' } },
    ],
    [
      'an invalid key error from a provider behind a router',
      400,
      {
        error: {
          code: 400,
          message: 'Provider returned error',
          metadata: { raw: '{"error":{"code":"invalid_api_key","message":"API key not valid"}}' },
        },
      },
    ],
    ['a filtered prompt relayed as a 500', 500, { error: { message: 'x', code: 'content_filter' } }],
    ['an unknown conflict', 409, { error: { message: 'conflict', code: 'server_error' } }],
  ])('when it provokes %s', (_what, status, body) => {
    expect(affectsOthers(classifyAnswer({ status, headers: {}, body: wireText(body) }))).toBe(false);
  });
});

describe('x-should-retry', () => {
  const at = (status: number, value: string) =>
    classifyAnswer({ status, headers: { 'X-Should-Retry': value }, body: '' });

  it('set to false rules out the same endpoint, but not others', () => {
    const rule = ruleFor(at(503, 'false'));
    expect(rule).toMatchObject({
      sameEndpoint: 'never',
      otherEndpoint: 'budgeted',
      countsAgainstEndpoint: true,
    });
  });

  it('set to true allows the same endpoint with backoff if the class says never', () => {
    expect(ruleFor(at(409, 'true'))).toMatchObject({ sameEndpoint: 'with-backoff', otherEndpoint: 'never' });
  });

  it('is ignored with any other value', () => {
    const detail = at(503, 'maybe');
    expect(detail.shouldRetry).toBeUndefined();
    expect(ruleFor(detail)).toBe(FAILURE_RULES.server);
  });
});
