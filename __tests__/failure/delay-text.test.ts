import { parseDuration } from '../../lib/failure/duration';
import { parseHttpDate, readRetryAfter, readShouldRetry } from '../../lib/failure/retry-after';

const NOW = Date.parse('Sat, 28 Nov 2026 00:00:00 GMT');
const read = (headers: Record<string, string>, message = '', bodyDelayMs?: number) =>
  readRetryAfter(headers, bodyDelayMs, message, NOW);
const DAY_MS = 86_400_000;

describe('The time until a retry', () => {
  it('is at most 24 hours', () => {
    expect(read({ 'retry-after': '86400' })).toBe(DAY_MS);
    expect(read({ 'retry-after': '86401' })).toBeUndefined();
    expect(read({ 'retry-after-ms': '86400000' })).toBe(DAY_MS);
    expect(read({ 'retry-after-ms': '86400001' })).toBeUndefined();
    expect(read({}, '', DAY_MS)).toBe(DAY_MS);
    expect(read({}, '', DAY_MS + 1)).toBeUndefined();
  });

  it('may be 0, but not negative', () => {
    expect(read({ 'retry-after': '0' })).toBe(0);
    expect(read({}, '', 0)).toBe(0);
    expect(read({}, '', -1)).toBeUndefined();
    expect(read({}, '', Number.NaN)).toBeUndefined();
  });

  it('is a duration, or a date compared with the date of the server', () => {
    expect(read({ 'retry-after': '1m30s' })).toBe(90_000);
    expect(read({ 'retry-after': 'Sat, 28 Nov 2026 00:00:07 GMT' })).toBe(7_000);
    expect(read({ 'retry-after': 'Fri, 27 Nov 2026 00:00:00 GMT' })).toBe(0);
    expect(
      read({ 'retry-after': 'Sat, 28 Nov 2026 01:00:07 GMT', date: 'Sat, 28 Nov 2026 01:00:00 GMT' }),
    ).toBe(7_000);
    expect(read({ 'retry-after': 'soon' })).toBeUndefined();
  });

  it('in a message is looked for in its first 1,000 characters', () => {
    const text = 'Please retry after 26 seconds';
    expect(read({}, text)).toBe(26_000);
    expect(read({}, `${'.'.repeat(1_000 - text.length - 1)} ${text}`)).toBe(26_000);
    expect(read({}, `${'.'.repeat(1_000)} ${text}`)).toBeUndefined();
  });
});

describe('A delay in a message', () => {
  const text = 'try again in 20 seconds';

  it.each([
    [{ 'x-ratelimit-remaining-tokens': '0' }],
    [{ 'X-RateLimit-Remaining-Requests': '0' }],
    [{ 'anthropic-ratelimit-input-tokens-remaining': '0' }],
    [{ 'Anthropic-Ratelimit-Requests-Remaining': '0' }],
  ])('is not used if %j says which window is used up', (headers) => {
    expect(read(headers, text)).toBeUndefined();
  });

  it.each([
    [{ 'x-ratelimit-remaining-tokens': '1' }],
    [{ 'x-ratelimit-limit-tokens': '0' }],
    [{ 'my-x-ratelimit-remaining': '0' }],
    [{ 'my-anthropic-ratelimit-requests-remaining': '0' }],
    [{ 'anthropic-ratelimit-requests-remaining-extra': '0' }],
    [{ 'anthropic-ratelimit-requests-limit': '0' }],
    [{}],
  ])('is used with %j', (headers) => {
    expect(read(headers, text)).toBe(20_000);
  });
});

describe('An HTTP date', () => {
  it('begins with a weekday and has at most 40 characters', () => {
    expect(parseHttpDate('Sat, 28 Nov 2026 00:00:00 GMT')).toBe(NOW);
    expect(parseHttpDate('Saturday, 28-Nov-26 00:00:00 GMT')).toBe(NOW);
    expect(parseHttpDate('28 Nov 2026 00:00:00 GMT')).toBeUndefined();
    expect(parseHttpDate('Sat, not a date')).toBeUndefined();
    expect(parseHttpDate(`Sat, 28 Nov 2026 00:00:00 GMT${' '.repeat(11)}`)).toBe(NOW);
    expect(parseHttpDate(`Sat, 28 Nov 2026 00:00:00 GMT${' '.repeat(12)}`)).toBeUndefined();
  });
});

describe('A duration', () => {
  it.each([
    ['1h2m3.5s', 3_723_500],
    ['7.66s', 7_660],
    ['6ms', 6],
    ['2d', 2 * DAY_MS],
    ['500us', 0.5],
    ['', undefined],
    ['5', undefined],
    ['x5s', undefined],
    ['5sx', undefined],
    ['1s'.repeat(6), 6_000],
    ['1s'.repeat(7), undefined],
  ])('%j is %p ms', (text, ms) => {
    const parsed = parseDuration(text);
    if (ms === undefined) expect(parsed).toBeUndefined();
    else expect(parsed).toBeCloseTo(ms);
  });

  it('has at most 64 characters', () => {
    const long = `1.${'0'.repeat(12)}s`;
    expect(parseDuration(`${long.repeat(4)}1.0s`)).toBeCloseTo(5_000);
    expect(parseDuration(`${long.repeat(4)}1.00s`)).toBeUndefined();
  });
});

describe('x-should-retry', () => {
  it.each([
    ['true', true],
    ['FALSE', false],
    ['yes', undefined],
  ])('%j is %p', (value, expected) => {
    expect(readShouldRetry({ 'x-should-retry': value })).toBe(expected);
    expect(readShouldRetry({})).toBeUndefined();
  });
});
