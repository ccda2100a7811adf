import { classifyAnswer } from '../../lib/failure/classify-answer';
import { readRetryAfter, readShouldRetry } from '../../lib/failure/retry-after';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const read = (headers: Record<string, string | string[] | undefined>) =>
  readRetryAfter(headers, undefined, NOW);
const fromAnswer = (headers: Record<string, string>, body: unknown) =>
  classifyAnswer({ status: 429, headers, body: JSON.stringify(body) }).retryAfterMs;

describe('Retry-After', () => {
  it.each([
    ['whole seconds', { 'retry-after': '7' }, 7000],
    ['decimal seconds', { 'retry-after': '0.25' }, 250],
    ['zero', { 'retry-after': '0' }, 0],
    ['spaces around', { 'retry-after': ' 3 ' }, 3000],
    ['capital letters', { 'Retry-After': '3' }, 3000],
    ['an HTTP date', { 'retry-after': 'Thu, 01 Jan 2026 00:01:30 GMT' }, 90_000],
    ['a date that has passed', { 'retry-after': 'Wed, 31 Dec 2025 23:59:00 GMT' }, 0],
    ['the obsolete form of a date', { 'retry-after': 'Thursday, 01-Jan-26 00:00:05 GMT' }, 5000],
    ['a duration', { 'retry-after': '1m2s' }, 62_000],
    ['sent twice, the first', { 'retry-after': ['2', '9'] }, 2000],
    ['milliseconds before seconds', { 'retry-after-ms': '642', 'retry-after': '1' }, 642],
    ['seconds where the milliseconds are broken', { 'retry-after-ms': 'soon', 'retry-after': '1' }, 1000],
    ['seconds where the milliseconds are negative', { 'retry-after-ms': '-5', 'retry-after': '1' }, 1000],
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

  it('prefers the header to the body', () => {
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
  ])('%p reads as %p', (value, expected) => {
    expect(readShouldRetry({ 'x-should-retry': value })).toBe(expected);
  });
});
