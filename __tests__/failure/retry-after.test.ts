import { classifyAnswer } from '../../lib/failure/classify-answer';
import { readRetryAfter, readShouldRetry } from '../../lib/failure/retry-after';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const read = (headers: Record<string, string | string[] | undefined>) =>
  readRetryAfter(headers, undefined, '', NOW);
const fromAnswer = (headers: Record<string, string>, body: unknown) =>
  classifyAnswer({ status: 429, headers, body: JSON.stringify(body) }).retryAfterMs;

describe('Retry-After', () => {
  it.each([
    ['whole seconds', { 'retry-after': '7' }, 7000],
    ['decimal seconds', { 'retry-after': '0.25' }, 250],
    ['zero', { 'retry-after': '0' }, 0],
    ['a number with spaces around it', { 'retry-after': ' 3 ' }, 3000],
    ['a header name in capital letters', { 'Retry-After': '3' }, 3000],
    ['an HTTP date', { 'retry-after': 'Thu, 01 Jan 2026 00:01:30 GMT' }, 90_000],
    ['a date that has passed', { 'retry-after': 'Wed, 31 Dec 2025 23:59:00 GMT' }, 0],
    ['the obsolete form of a date', { 'retry-after': 'Thursday, 01-Jan-26 00:00:05 GMT' }, 5000],
    ['a duration', { 'retry-after': '1m2s' }, 62_000],
    ['the first of two values', { 'retry-after': ['2', '9'] }, 2000],
    ['retry-after-ms in preference to retry-after', { 'retry-after-ms': '642', 'retry-after': '1' }, 642],
    ['retry-after if retry-after-ms is broken', { 'retry-after-ms': 'soon', 'retry-after': '1' }, 1000],
    ['retry-after if retry-after-ms is negative', { 'retry-after-ms': '-5', 'retry-after': '1' }, 1000],
  ])('reads %s', (_what, headers, ms) => {
    expect(read(headers)).toBe(ms);
  });

  it.each([
    '',
    ' ',
    '-5',
    '-0.5',
    'NaN',
    'Infinity',
    'null',
    '1e3',
    '0x10',
    '1,5',
    'soon',
    '86401',
    '1767225600',
    'Thu, 01 Jan 2099 00:00:00 GMT',
    '12 s',
    '9'.repeat(5000),
  ])('ignores %p', (value) => {
    expect(read({ 'retry-after': value })).toBeUndefined();
  });

  it("reads Gemini's retryDelay from the body, alone or in an array", () => {
    const body = {
      error: {
        code: 429,
        details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34s' }],
      },
    };
    for (const form of [body, [body]]) expect(fromAnswer({}, form)).toBe(34_000);
  });

  it('prefers the header to the delay in the body', () => {
    const body = { error: { code: 429, details: [{ retryDelay: '34s' }] } };
    expect(fromAnswer({ 'retry-after': '5' }, body)).toBe(5000);
  });

  it.each(['-3s', '34', 34, null, '9999999s', {}])('ignores a retryDelay of %p', (retryDelay) => {
    expect(fromAnswer({}, { error: { code: 429, details: [{ retryDelay }] } })).toBeUndefined();
  });
});

describe('x-should-retry', () => {
  it.each([
    ['true', true],
    ['FALSE', false],
    ['yes', undefined],
    ['', undefined],
  ])('%p is read as %p', (value, expected) => {
    expect(readShouldRetry({ 'x-should-retry': value })).toBe(expected);
  });
});

describe('Retry-After as a date', () => {
  it.each([
    ['an hour behind ours', 'Wed, 31 Dec 2025 23:00:00 GMT', 'Wed, 31 Dec 2025 23:00:05 GMT', 5000],
    ['an hour ahead of ours', 'Thu, 01 Jan 2026 01:00:00 GMT', 'Thu, 01 Jan 2026 01:00:05 GMT', 5000],
    ['broken', 'yesterday', 'Thu, 01 Jan 2026 00:00:05 GMT', 5000],
  ])("is compared with the server's own clock, whose date header is %s", (_what, date, retryAfter, ms) => {
    expect(read({ date, 'retry-after': retryAfter })).toBe(ms);
  });
});

describe('a delay without a Retry-After header', () => {
  const retryAfterOf = (message: string, headers: Record<string, string> = {}, status = 429) =>
    classifyAnswer({ status, headers, body: JSON.stringify({ error: { message } }) }).retryAfterMs;

  it("is read from Azure's x-rate-limit-reset headers, in seconds", () => {
    expect(read({ 'x-rate-limit-reset-tokens': '30' })).toBe(30_000);
    expect(read({ 'x-rate-limit-reset-tokens': '30', 'x-rate-limit-reset-requests': '2' })).toBe(30_000);
    expect(read({ 'retry-after': '1', 'x-rate-limit-reset-tokens': '30' })).toBe(1000);
    for (const broken of ['-1', '', 'soon', '1767225600'])
      expect(read({ 'x-rate-limit-reset-tokens': broken })).toBeUndefined();
  });

  it.each([
    ['Please retry after 26 seconds.', 26_000],
    [
      'Requests to this deployment have exceeded the token rate limit. Please retry after 1 second. Please go here',
      1000,
    ],
    [
      'Rate limit reached. Please try again in 20s. Visit https://platform.openai.com/account/rate-limits',
      20_000,
    ],
    ['Please try again in 6m0.5s.', 360_500],
    ['Please try again in 850ms.', 850],
    ['Please retry in 34.074824224s.', 34_074.824224],
    ['Please wait 20 seconds and try again', 20_000],
    ['Quota resets in 1 minute and 5 seconds', 65_000],
    ['You can retry in about 2 minutes', 120_000],
  ])('is read from the message: %s', (message, ms) => {
    expect(retryAfterOf(message)).toBeCloseTo(ms, 3);
    expect(retryAfterOf(message, {}, 503)).toBeCloseTo(ms, 3);
  });

  it.each([
    'Please try again later',
    'Please retry after 2 days',
    'Please retry after -5 seconds',
    'Please retry after 9999999 seconds',
    'You have 26 seconds of audio',
    'retry after 3 attempts',
  ])('is not read from: %s', (message) => {
    expect(retryAfterOf(message)).toBeUndefined();
  });

  it('is not read from the message of a bad request, which may quote the prompt', () => {
    expect(retryAfterOf('Please retry after 26 seconds.', {}, 400)).toBeUndefined();
  });

  it('is not read from the message if a used-up rate limit window has a reset time', () => {
    const headers = { 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '12s' };
    expect(retryAfterOf('Please retry after 26 seconds.', headers)).toBeUndefined();
  });
});
