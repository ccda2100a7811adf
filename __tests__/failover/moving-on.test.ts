import {
  answer,
  chatText,
  error,
  event,
  json,
  type Responder,
  Rig,
  raw,
  reset,
  silence,
  startStream,
  statsOf,
  type UpstreamRequest,
} from './upstream';

const rig = new Rig();

const html = raw(200, '<html><body>502 Bad Gateway</body></html>', { 'content-type': 'text/html' });
const streamed =
  (...parts: string[]): Responder =>
  ({ res }: UpstreamRequest) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const part of parts) res.write(part);
    res.end();
  };
const cutBody: Responder = ({ res }) => {
  res.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' });
  res.write('{"choices":[{"index":0,');
  setTimeout(() => res.socket?.destroy(), 5);
};

/** What an endpoint does, its failure class, and whether it counts against the endpoint. */
const FAILURES: [what: string, play: Responder, failure: string, counts: boolean][] = [
  ['a 500', error(500), 'server', true],
  ['a 503 page of a proxy', raw(503, '<html>503 Service Unavailable</html>'), 'server', true],
  ['a 529', error(529, { type: 'overloaded_error' }), 'server', true],
  ['a silent upstream', silence, 'timeout', true],
  ['a 408', error(408), 'timeout', true],
  ['a reset connection', reset, 'connection', true],
  ['an HTML page with status 200', html, 'bad_answer', true],
  ['an empty body with status 200', raw(200, '', { 'content-type': 'application/json' }), 'bad_answer', true],
  ['a body cut short', cutBody, 'bad_answer', true],
  ['a redirect', raw(302, '', { location: 'http://127.0.0.1:9/elsewhere' }), 'bad_answer', true],
  ['a 429', error(429, {}, { 'retry-after': '20' }), 'rate_limited', false],
  ['an exhausted account', error(429, { code: 'insufficient_quota' }), 'quota_exhausted', false],
  ['a 402', error(402), 'quota_exhausted', false],
  ['a bad key', error(401, { code: 'invalid_api_key' }), 'unauthorized', false],
  ['a missing model', error(404, { code: 'model_not_found' }), 'model_missing', false],
];

const WHOLE_ONLY: typeof FAILURES = [
  ['broken JSON', raw(200, '{"choices":[{"ind', { 'content-type': 'application/json' }), 'bad_answer', true],
  ['no choices', (arrival) => json(arrival, 200, { choices: [] }), 'bad_answer', true],
  ['an error object with status 200', error(200, { message: 'upstream overloaded' }), 'bad_answer', true],
];

const STREAM_ONLY: typeof FAILURES = [
  ['an empty stream', streamed(), 'bad_answer', true],
  ['a stream with [DONE] but no answer', streamed('data: [DONE]\n\n'), 'bad_answer', true],
  [
    'a stream of comments without a token',
    ({ res }) => res.writeHead(200).write(': ping\n\n'),
    'timeout',
    true,
  ],
  [
    'an error event',
    streamed('data: {"error":{"message":"overloaded","type":"server_error"}}\n\n'),
    'server',
    true,
  ],
  [
    'a stream that ends after the role',
    streamed(event({ choices: [{ index: 0, delta: { role: 'assistant' }, finish_reason: null }] })),
    'bad_answer',
    true,
  ],
];

describe.each([
  ['A whole answer', false, [...FAILURES, ...WHOLE_ONLY]],
  ['A streamed answer', true, [...FAILURES, ...STREAM_ONLY]],
] as const)('%s', (_, stream, failures) => {
  it.each(failures)('comes from another endpoint after %s', async (_what, play, failure, counts) => {
    const timeouts = { firstTokenMs: failure === 'timeout' ? 500 : 30_000 };
    const { balancer, upstream } = await rig.start(
      { a: play, b: answer('from b') },
      { each: { a: { timeouts } } },
    );
    const { text, route } = await chatText(balancer, stream);
    expect(text).toBe('from b');
    expect(route.endpoint).toBe('b');
    expect(route.attempts.map((attempt) => [attempt.endpoint, attempt.class])).toEqual([
      ['a', failure],
      ['b', undefined],
    ]);
    expect([upstream.count('a'), upstream.count('b')]).toEqual([1, 1]);
    expect(statsOf(balancer, 'a')).toMatchObject({ failures: 1, inFlight: 0 });
    expect(statsOf(balancer, 'a').state).toBe(counts ? 'closed' : 'cooldown');
  });

  it('comes from another endpoint after a refused connection', async () => {
    const gone = { name: 'gone', model: 'm', baseURL: 'http://127.0.0.1:1', tier: 0 };
    const { balancer } = await rig.start({ b: answer() }, { more: [gone], each: { b: { tier: 1 } } });
    const { route } = await chatText(balancer, stream);
    expect(route.attempts.map((attempt) => attempt.class)).toEqual(['connection', undefined]);
  });

  it.each([
    ['a 400', 400, 'messages: too many cats'],
    ['a 403', 403, 'Country not supported'],
    ['a 404', 404, 'No such path'],
    ['a 409', 409, 'Conflict of some kind'],
    ['a 413', 413, 'Entity too big for us'],
    ['a 422', 422, 'Not processable'],
  ])(
    "is replaced at once by an error with the upstream's status and message after %s",
    async (_what, status, message) => {
      const play = error(status, { message, type: 'invalid_request_error', param: 'messages' });
      const { balancer, upstream } = await rig.start({ a: play, b: answer() });
      await expect(chatText(balancer, stream)).rejects.toMatchObject({
        code: 'ERR_AI_BAD_REQUEST',
        status,
        message,
        param: 'messages',
        retryable: false,
      });
      expect(upstream.count('b')).toBe(0);
      expect(statsOf(balancer, 'a')).toMatchObject({ state: 'closed', failures: 0, inFlight: 0 });
    },
  );
});

it('A call never follows a redirect, which would send the key elsewhere', async () => {
  const { balancer, upstream } = await rig.start({
    a: (arrival) =>
      arrival.res.writeHead(307, { location: upstream.url('thief') + '/chat/completions' }).end(),
    b: answer(),
    thief: answer(),
  });
  await chatText(balancer, false);
  expect(upstream.count('thief')).toBe(0);
});

it('A call never returns a truncated answer as if it were complete', async () => {
  const { balancer } = await rig.start({
    a: (arrival) => {
      startStream(arrival, 'Half of');
      arrival.res.end();
    },
  });
  await expect(chatText(balancer, true)).rejects.toMatchObject({ code: 'ERR_AI_STREAM_BROKEN', status: 502 });
});
