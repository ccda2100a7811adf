import fc from 'fast-check';
import { type LimitReading, readRateLimits } from '../../lib/provider/rate-limits/rate-limit-headers';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const DAY = 86_400_000;

const name = fc.oneof(
  fc.constantFrom(
    'ratelimit',
    'ratelimit-policy',
    'ratelimit-limit',
    'ratelimit-remaining',
    'ratelimit-reset',
    'date',
    '__proto__',
    'constructor',
    'x-ratelimit-limit',
    'x-ratelimit-reset',
    'x-ratelimit-remaining',
  ),
  fc
    .tuple(
      fc.constantFrom('limit', 'remaining', 'reset'),
      fc.constantFrom('requests', 'tokens', 'req-minute', 'requests-day', 'tokens-hour', 'nonsense'),
    )
    .map(([part, unit]) => `x-ratelimit-${part}-${unit}`),
  fc
    .tuple(
      fc.constantFrom('requests', 'tokens', 'input-tokens', 'output-tokens'),
      fc.constantFrom('limit', 'remaining', 'reset'),
    )
    .map(([unit, part]) => `anthropic-ratelimit-${unit}-${part}`),
  fc.string(),
);
const text = fc.oneof(
  fc.string(),
  fc.integer().map(String),
  fc.double().map(String),
  fc.nat({ max: 200 }).map((n) => `${n}s`),
  fc.tuple(fc.nat(), fc.constantFrom('ms', 's', 'm', 'h', 'd', 'us', '')).map(([n, unit]) => `${n}${unit}1s`),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  fc.nat({ max: 200 }).map((n) => new Date(NOW + n * 1000).toUTCString()),
  fc
    .tuple(fc.string(), fc.nat(), fc.double(), fc.nat())
    .map(([name, r, t, w]) => `"${name}";r=${r};t=${t};q=${r};w=${w};qu="tokens"`),
  fc.constantFrom(
    '-1',
    'null',
    'NaN',
    '1e400',
    '100;w=60',
    'limit=1, remaining=2, reset=',
    '"',
    ';;;,,,===',
    '"a";q=1;w=60,"a";q=2;w=60',
  ),
);
const headers = fc.dictionary(
  name,
  fc.oneof(text, fc.array(text, { maxLength: 3 }), fc.constant(undefined)),
  { maxKeys: 12 },
);

function figures(reading: LimitReading): number[] {
  return Object.values(reading).flatMap((window) => Object.values(window as Record<string, number>));
}

it('readRateLimits never throws, and returns only values that are finite, not negative and within their window', () => {
  fc.assert(
    fc.property(headers, (headers) => {
      const reading = readRateLimits(headers, NOW);
      if (reading === undefined) return;
      expect(figures(reading).length).toBeGreaterThan(0);
      for (const figure of figures(reading)) expect(Number.isFinite(figure) && figure >= 0).toBe(true);
      for (const [slot, { limit, remaining, resetMs }] of Object.entries(reading) as [
        string,
        LimitReading['requests'] & object,
      ][]) {
        if (limit !== undefined) expect(limit).toBeGreaterThan(0);
        if (limit !== undefined && remaining !== undefined) expect(remaining).toBeLessThanOrEqual(limit);
        expect(resetMs ?? 0).toBeLessThanOrEqual(slot.endsWith('PerDay') ? DAY + 1000 : 61_000);
      }
    }),
    { numRuns: 3000 },
  );
});

const bucket = fc.record({
  limit: fc.integer({ min: 2, max: 10_000_000 }),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
});

function readingOf(limit: number, remaining: number, resetMs: number): LimitReading | undefined {
  return readRateLimits(
    {
      'x-ratelimit-limit-requests': String(limit),
      'x-ratelimit-remaining-requests': String(remaining),
      'x-ratelimit-reset-requests': `${resetMs.toFixed(3)}ms`,
    },
    NOW,
  );
}

it('readRateLimits reads a bucket that refills within a minute as a minute', () => {
  fc.assert(
    fc.property(bucket, ({ limit, share }) => {
      const used = 1 + share * (limit - 1);
      const reading = readingOf(limit, Math.floor(limit - used), (used / limit) * 60_000);
      expect(Object.keys(reading ?? {})).toEqual(['requests']);
    }),
    { numRuns: 1000 },
  );
});

it('readRateLimits never reads a bucket that refills within a day as a minute', () => {
  fc.assert(
    fc.property(bucket, ({ limit, share }) => {
      const used = 1 + share * (limit - 1);
      const reading = readingOf(limit, Math.floor(limit - used), (used / limit) * DAY);
      expect(Object.keys(reading ?? {})).toEqual(['requestsPerDay']);
    }),
    { numRuns: 1000 },
  );
});

it.each(['9', '"', ',', ';', '1m', 'a=', '-', ' '])(
  'readRateLimits reads a value that repeats %p a million times in linear time',
  (piece) => {
    const value = piece.repeat(1_000_000);
    const started = process.cpuUsage();
    readRateLimits(
      {
        ratelimit: value,
        'ratelimit-policy': [value, value],
        'ratelimit-limit': value,
        'x-ratelimit-reset-tokens': value,
        [`x-ratelimit-${value}`]: value,
      },
      NOW,
    );
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1000).toBeLessThan(5_000);
  },
);

it('readRateLimits caches a bounded number of header names', () => {
  for (let i = 0; i < 5000; i++) readRateLimits({ [`x-ratelimit-limit-${i}`]: '1' }, NOW);
  expect(readRateLimits({ 'x-ratelimit-remaining-tokens': '7' }, NOW)).toEqual({ tokens: { remaining: 7 } });
});
