import fc from 'fast-check';

/** One HTTP answer of an untrustworthy upstream. */
export interface Lie {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The complete text that the body holds; undefined if the body is no complete answer. */
  readonly text: string | undefined;
  /** Whether the socket is destroyed after the body instead of ending the response. */
  readonly cut: boolean;
}

const NUMBERS = fc.oneof(
  fc.constantFrom<unknown>(
    0,
    1,
    5,
    15,
    -1,
    -1e9,
    0.5,
    1e3,
    1e6,
    2e6,
    1e9,
    1e15,
    1e308,
    null,
    '7',
    'many',
    '',
    true,
    {},
    [],
    [3],
    -0,
    '1e9',
    'NaN',
  ),
  fc.integer(),
  fc.double({ noNaN: true }),
);

/** Usage as an upstream may report it, possible or not. */
export const USAGE = fc.oneof(
  fc.constantFrom<unknown>(undefined, null, 'none', 7, [], {}),
  fc.record(
    {
      prompt_tokens: NUMBERS,
      completion_tokens: NUMBERS,
      total_tokens: NUMBERS,
      cached_tokens: NUMBERS,
      prompt_cache_hit_tokens: NUMBERS,
      prompt_tokens_details: fc.oneof(NUMBERS, fc.record({ cached_tokens: NUMBERS, audio_tokens: NUMBERS })),
      completion_tokens_details: fc.oneof(NUMBERS, fc.record({ reasoning_tokens: NUMBERS })),
    },
    { requiredKeys: [] },
  ),
);

const TEXT = fc.constantFrom(
  'Yes.',
  'The parcel arrives on Tuesday.',
  'ü 😀 \u2028 "quoted" \\n',
  'word '.repeat(40),
);
const FINISH = fc.constantFrom('stop', 'length');

const DURATIONS = fc.constantFrom(
  '0',
  '-1',
  '1',
  '0.5',
  '3',
  '30',
  '1e12',
  'NaN',
  'Infinity',
  'soon',
  '',
  '99999999999999999999',
  '1s',
  '6m0s',
  '-5ms',
  'Wed, 21 Oct 2015 07:28:00 GMT',
  'Fri, 31 Dec 9999 23:59:59 GMT',
  '2999-01-01T00:00:00Z',
);
const COUNTS = fc.constantFrom(
  '0',
  '1',
  '-1',
  '10',
  '1000',
  '60000',
  '1e9',
  '1e308',
  'NaN',
  'Infinity',
  '',
  'x',
  '0.0001',
);

/** Response headers that the balancer reads. */
export const HEADERS = fc.record(
  {
    'retry-after': DURATIONS,
    'retry-after-ms': DURATIONS,
    'x-should-retry': fc.constantFrom('true', 'false', 'maybe'),
    'x-ratelimit-limit-requests': COUNTS,
    'x-ratelimit-limit-tokens': COUNTS,
    'x-ratelimit-remaining-requests': COUNTS,
    'x-ratelimit-remaining-tokens': COUNTS,
    'x-ratelimit-reset-requests': DURATIONS,
    'x-ratelimit-reset-tokens': DURATIONS,
    'x-rate-limit-reset-tokens': DURATIONS,
    'anthropic-ratelimit-tokens-reset': DURATIONS,
    'ratelimit-limit': COUNTS,
    'ratelimit-remaining': COUNTS,
    'ratelimit-reset': DURATIONS,
    date: fc.constantFrom('Wed, 21 Oct 2015 07:28:00 GMT', 'Fri, 31 Dec 9999 23:59:59 GMT', 'today'),
    'content-type': fc.constantFrom('application/json', 'text/event-stream', 'text/html', 'text/plain', 'x'),
  },
  { requiredKeys: [] },
);

const CODES = fc.constantFrom<unknown>(
  null,
  '',
  0,
  429,
  'rate_limit_exceeded',
  'insufficient_quota',
  'invalid_api_key',
  'model_not_found',
  'context_length_exceeded',
  'content_filter',
  'server_error',
  'overloaded',
  {},
  [],
);
const MESSAGES = fc.constantFrom<unknown>(
  '',
  null,
  7,
  {},
  'Rate limit reached: Limit 7000, Used 0, Requested 12903. Please retry after 1e9 seconds.',
  'Please retry after 26 seconds.',
  'The model x does not exist',
  'Incorrect API key provided',
  'maximum context length is 1 token',
  'Your credit balance is too low',
  'x'.repeat(5_000),
);
const ERROR = fc.oneof(
  fc.constantFrom<unknown>('failed', null, [], 1),
  fc.record({ message: MESSAGES, code: CODES, type: CODES, param: CODES }, { requiredKeys: [] }),
);

const chunk = (delta: unknown, finish: string | null, more: object = {}): string =>
  `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }], ...more })}\n\n`;

const whole = (message: unknown, finish: unknown, more: object = {}): string =>
  JSON.stringify({
    id: 'x',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, message, finish_reason: finish }],
    ...more,
  });

type Body = Pick<Lie, 'body' | 'text' | 'cut'> & { readonly sse?: boolean };

/** A complete answer with arbitrary usage. */
const COMPLETE: fc.Arbitrary<Body> = fc
  .record({ content: TEXT, finish: FINISH, usage: USAGE })
  .map(({ content, finish, usage }) => ({
    body: whole({ role: 'assistant', content }, finish, usage === undefined ? {} : { usage }),
    text: content,
    cut: false,
  }));

/** A complete stream with arbitrary usage. */
const COMPLETE_STREAM: fc.Arbitrary<Body> = fc
  .record({
    pieces: fc.array(TEXT, { minLength: 1, maxLength: 4 }),
    finish: FINISH,
    usage: USAGE,
  })
  .map(({ pieces, finish, usage }) => ({
    body: [
      chunk({ role: 'assistant', content: '' }, null),
      ...pieces.map((content) => chunk({ content }, null)),
      chunk({}, finish, usage === undefined ? {} : { usage }),
      'data: [DONE]\n\n',
    ].join(''),
    text: pieces.join(''),
    cut: false,
    sse: true,
  }));

/** A stream that lacks its end, holds an unreadable content event, an error, or nothing. */
const BROKEN_STREAM: fc.Arbitrary<Body> = fc
  .record({
    pieces: fc.array(TEXT, { maxLength: 4 }),
    how: fc.constantFrom(
      'no end',
      'garbled content',
      'error event',
      'cut in an event',
      'finish error',
      'empty deltas',
    ),
    error: ERROR,
    cut: fc.boolean(),
  })
  .map(({ pieces, how, error, cut }) => {
    const start = [
      chunk({ role: 'assistant', content: '' }, null),
      ...pieces.map((content) => chunk({ content }, null)),
    ];
    const ends: Record<string, string[]> = {
      'no end': [],
      'garbled content': [
        'data: {"choices":[{"index":0,"delta":{"content":"lo wor\n\n',
        chunk({}, 'stop'),
        'data: [DONE]\n\n',
      ],
      'error event': [`data: ${JSON.stringify({ error: error ?? 'failed' })}\n\n`, 'data: [DONE]\n\n'],
      'cut in an event': ['data: {"id":"x","choices":[{"index":0,"del'],
      'finish error': [chunk({}, 'error'), 'data: [DONE]\n\n'],
      'empty deltas':
        how === 'empty deltas' && pieces.length > 0 ? [] : [chunk({}, 'stop'), 'data: [DONE]\n\n'],
    };
    return { body: [...start, ...ends[how]!].join(''), text: undefined, cut, sse: true };
  });

/** Status 200, but no complete answer. */
const BROKEN: fc.Arbitrary<Body> = fc
  .oneof(
    fc.constantFrom(
      '',
      '{',
      'null',
      '[]',
      '"text"',
      '42',
      '<html><body>Sorry</body></html>',
      '{"choices":[]}',
      '{"choices":null}',
      '{"choices":{}}',
      '{"choices":[null]}',
      '{"object":"list","data":[]}',
      '{}',
      `${'{"a":'.repeat(600)}1${'}'.repeat(600)}`,
      '[['.repeat(3_000),
    ),
    fc
      .record({ content: TEXT, error: ERROR })
      .map(({ content, error }) =>
        whole({ role: 'assistant', content }, 'stop', { error: error ?? { message: 'x' } }),
      ),
    TEXT.map((content) => whole({ role: 'assistant', content }, 'error')),
    TEXT.map((content) => whole({ role: 'assistant', content }, 'stop').slice(0, -10)),
    fc
      .constantFrom<unknown>(
        null,
        undefined,
        'text',
        [],
        { role: 'assistant' },
        { role: 'assistant', content: null },
        { role: 'assistant', content: {} },
      )
      .map((message) => whole(message, 'stop')),
    fc.constant(
      whole({ role: 'assistant', content: '' }, 'stop', {
        usage: { prompt_tokens: 5, completion_tokens: 0, total_tokens: 5 },
      }),
    ),
  )
  .map((body) => ({ body, text: undefined, cut: false }));

/** The number of inputs of the embeddings calls. */
export const INPUTS = 2;

const VECTOR = fc.constantFrom<unknown>([0.1, -0.2], [1], [], null, 'AAAA', [null], ['x'], {});

/** An embeddings answer with one vector per input, or with anything else. */
const VECTORS: fc.Arbitrary<Body> = fc
  .record({ vectors: fc.array(VECTOR, { maxLength: INPUTS + 1 }), isSound: fc.boolean(), usage: USAGE })
  .map(({ vectors, isSound, usage }) => {
    const list = isSound ? Array.from({ length: INPUTS }, () => [0.1, -0.2]) : vectors;
    const data = list.map((embedding, index) => ({ object: 'embedding', index, embedding }));
    const body = JSON.stringify({
      object: 'list',
      model: 'm',
      data,
      ...(usage === undefined ? {} : { usage }),
    });
    return { body, text: undefined, cut: false };
  });

const FAILED: fc.Arbitrary<Body> = fc
  .oneof(
    ERROR.map((error) => JSON.stringify({ error })),
    fc.constantFrom(
      '',
      'Bad Gateway',
      '<html>502</html>',
      '{"message":"no"}',
      '{"detail":[]}',
      'null',
      '[1]',
    ),
  )
  .map((body) => ({ body, text: undefined, cut: false }));

/** Every status that has a rule, and some that have none. */
export const ERROR_STATUS = fc.constantFrom(
  400,
  401,
  402,
  403,
  404,
  405,
  408,
  409,
  410,
  413,
  415,
  418,
  422,
  425,
  429,
  451,
  499,
  500,
  501,
  502,
  503,
  504,
  520,
  529,
  301,
  302,
  307,
);

function lieOf(status: fc.Arbitrary<number>, bodies: fc.Arbitrary<Body>): fc.Arbitrary<Lie> {
  return fc
    .record({ status, headers: HEADERS, body: bodies })
    .map(({ status: code, headers, body: { sse = false, ...body } }) => ({
      status: code,
      headers: { 'content-type': sse ? 'text/event-stream' : 'application/json', ...headers },
      ...body,
    }));
}

export const LIE: fc.Arbitrary<Lie> = fc.oneof(
  { weight: 2, arbitrary: lieOf(fc.constant(200), COMPLETE) },
  { weight: 2, arbitrary: lieOf(fc.constant(200), COMPLETE_STREAM) },
  { weight: 3, arbitrary: lieOf(fc.constant(200), BROKEN) },
  { weight: 3, arbitrary: lieOf(fc.constant(200), BROKEN_STREAM) },
  { weight: 1, arbitrary: lieOf(fc.constant(200), VECTORS) },
  { weight: 5, arbitrary: lieOf(ERROR_STATUS, FAILED) },
);
