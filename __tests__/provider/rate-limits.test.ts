import { readRateLimits } from '../../lib/provider/rate-limits/rate-limit-headers';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const read = (headers: Record<string, string | string[] | undefined>) => readRateLimits(headers, NOW);

/** OpenAI's six headers; a dash leaves one out. */
function openai(requests: string, tokens: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [unit, text] of [
    ['requests', requests],
    ['tokens', tokens],
  ] as const) {
    const [limit = '-', remaining = '-', reset = '-'] = text.split(' ');
    if (limit !== '-') headers[`x-ratelimit-limit-${unit}`] = limit;
    if (remaining !== '-') headers[`x-ratelimit-remaining-${unit}`] = remaining;
    if (reset !== '-') headers[`x-ratelimit-reset-${unit}`] = reset;
  }
  return headers;
}

describe('rate limits of OpenAI', () => {
  it('are read from six headers', () => {
    expect(read(openai('10000 9999 6ms', '2000000 1998500 45ms'))).toEqual({
      requests: { limit: 10000, remaining: 9999, resetMs: 6 },
      tokens: { limit: 2000000, remaining: 1998500, resetMs: 45 },
    });
  });

  // https://platform.openai.com/docs/guides/rate-limits shows a token reset of six minutes: no minute's window.
  it('omit a window whose reset fits neither a minute nor a day, and keep other windows', () => {
    expect(read(openai('60 59 1s', '150000 149984 6m0s'))).toEqual({
      requests: { limit: 60, remaining: 59, resetMs: 1000 },
    });
  });

  it('are read as requests per day on a small plan', () => {
    expect(read(openai('200 199 7m12s', '40000 39000 1.5s'))).toEqual({
      requestsPerDay: { limit: 200, remaining: 199, resetMs: 432_000 },
      tokens: { limit: 40000, remaining: 39000, resetMs: 1500 },
    });
  });

  it.each([
    ['1s', 1000],
    ['6ms', 6],
    ['0s', 0],
    ['12.5s', 12_500],
    ['59.999s', 59_999],
    ['1m0s', 60_000],
    ['500us', 0.5],
    ['250µs', 0.25],
    ['0.75', 750],
    ['17', 17_000],
  ])('are read with a reset of %s as %p ms', (reset, ms) => {
    expect(read(openai(`100 0 ${reset}`, '-'))?.requests?.resetMs).toBe(ms);
  });

  it('are read as a day that refills continuously with a reset of 1h2m3.5s', () => {
    expect(read(openai('1000 957 1h2m3.5s', '-'))).toEqual({
      requestsPerDay: { limit: 1000, remaining: 957, resetMs: 3_723_500 },
    });
  });

  it('are read in any letter case of the header names', () => {
    expect(read({ 'X-RateLimit-Limit-Requests': '100', 'X-Ratelimit-Remaining-Requests': '40' })).toEqual({
      requests: { limit: 100, remaining: 40 },
    });
  });
});

describe('rate limits of Azure', () => {
  // https://learn.microsoft.com/azure/ai-services/openai/how-to/quota
  it('are read without a reset, as what remains of the minute', () => {
    expect(read(openai('- 119 -', '- 117000 -'))).toEqual({
      requests: { remaining: 119 },
      tokens: { remaining: 117000 },
    });
  });

  it('are unknown where a value is -1', () => {
    expect(read(openai('- -1 -', '- 117000 -'))).toEqual({ tokens: { remaining: 117000 } });
    expect(read(openai('-1 -1 -1', '-1 -1 -1'))).toBeUndefined();
    expect(read(openai('120 119 -1', '-'))).toEqual({ requests: { limit: 120, remaining: 119 } });
  });
});

describe('rate limits of Groq', () => {
  // https://console.groq.com/docs/rate-limits: requests are per day, tokens per minute.
  it("are read as requests per day in the documentation's example", () => {
    expect(read(openai('14400 14370 2m59.56s', '18000 17997 7.66s'))).toEqual({
      requestsPerDay: { limit: 14400, remaining: 14370, resetMs: 179_560 },
      tokens: { limit: 18000, remaining: 17997, resetMs: 7660 },
    });
  });

  it('are read as requests per day even if the reset is short', () => {
    expect(read(openai('14400 14399 6s', '6000 5841 1.59s'))).toEqual({
      requestsPerDay: { limit: 14400, remaining: 14399, resetMs: 6000 },
      tokens: { limit: 6000, remaining: 5841, resetMs: 1590 },
    });
    expect(read(openai('500000 499995 864ms', '-'))).toEqual({
      requestsPerDay: { limit: 500000, remaining: 499995, resetMs: 864 },
    });
  });
});

describe('rate limits of Anthropic', () => {
  // https://docs.claude.com/en/api/rate-limits#response-headers
  const limits = (unit: string, limit: string, remaining: string, reset: string) => ({
    [`anthropic-ratelimit-${unit}-limit`]: limit,
    [`anthropic-ratelimit-${unit}-remaining`]: remaining,
    [`anthropic-ratelimit-${unit}-reset`]: reset,
  });

  it('are read from four windows with RFC 3339 resets', () => {
    expect(
      read({
        ...limits('requests', '50', '49', '2026-01-01T00:00:02Z'),
        ...limits('tokens', '38000', '20000', '2026-01-01T00:00:29Z'),
        ...limits('input-tokens', '30000', '15000', '2026-01-01T00:00:30Z'),
        ...limits('output-tokens', '8000', '5000', '2026-01-01T01:00:23+01:00'),
      }),
    ).toEqual({
      requests: { limit: 50, remaining: 49, resetMs: 2000 },
      tokens: { limit: 38000, remaining: 20000, resetMs: 29_000 },
      inputTokens: { limit: 30000, remaining: 15000, resetMs: 30_000 },
      outputTokens: { limit: 8000, remaining: 5000, resetMs: 23_000 },
    });
  });

  it('are read as a minute even though the reset is rounded to the second', () => {
    expect(read(limits('requests', '4000', '3999', '2026-01-01T00:00:01Z'))).toEqual({
      requests: { limit: 4000, remaining: 3999, resetMs: 1000 },
    });
  });

  it("are measured by the server's clock, so that ours may be wrong", () => {
    const headers = {
      date: 'Thu, 01 Jan 2026 09:00:00 GMT',
      ...limits('requests', '50', '25', '2026-01-01T09:00:30Z'),
    };
    expect(read(headers)?.requests?.resetMs).toBe(30_000);
    expect(read({ ...headers, date: 'yesterday' })).not.toHaveProperty('requests');
  });

  it('are dropped if the reset is in the past or unreadable', () => {
    expect(read(limits('requests', '50', '25', '2025-12-31T23:00:00Z'))).toBeUndefined();
    expect(read(limits('requests', '50', '25', '2026-13-45T99:00:00Z'))).toBeUndefined();
    expect(read(limits('requests', '50', '25', 'soon'))).toBeUndefined();
  });
});

describe('rate limits of the IETF draft', () => {
  // https://www.ietf.org/archive/id/draft-ietf-httpapi-ratelimit-headers-10.txt
  it('are read in the structured form', () => {
    expect(read({ RateLimit: '"default";r=50;t=30', 'RateLimit-Policy': '"default";q=100;w=60' })).toEqual({
      requests: { limit: 100, remaining: 50, resetMs: 30_000 },
    });
  });

  it('are read with several policies, each with its unit and window', () => {
    expect(
      read({
        ratelimit:
          '"req";r=50;t=30, "tok, all";r=9000;t=12, "daily";r=900;t=3600, "hourly";r=1;t=60, "bytes";r=1;t=1',
        'ratelimit-policy':
          '"req";q=100;w=60, "tok, all";q=10000;w=60;qu="tokens", "daily";q=1000;w=86400, "hourly";q=10;w=3600, "bytes";q=9;w=60;qu="content-bytes"',
      }),
    ).toEqual({
      requests: { limit: 100, remaining: 50, resetMs: 30_000 },
      tokens: { limit: 10000, remaining: 9000, resetMs: 12_000 },
      requestsPerDay: { limit: 1000, remaining: 900, resetMs: 3_600_000 },
    });
  });

  it('are those of the tighter of two windows of one kind', () => {
    const policy = '"a";q=100;w=60,"b";q=10;w=60';
    expect(
      read({ ratelimit: '"a";r=50;t=30,"b";r=2;t=30', 'ratelimit-policy': policy })?.requests?.remaining,
    ).toBe(2);
    expect(
      read({ ratelimit: '"b";r=2;t=30,"a";r=50;t=30', 'ratelimit-policy': policy })?.requests?.remaining,
    ).toBe(2);
  });

  it('are read from a header sent twice', () => {
    expect(read({ ratelimit: ['"a";r=5;t=3', '"b-tokens";r=7;t=3'] })).toEqual({
      requests: { remaining: 5, resetMs: 3000 },
      tokens: { remaining: 7, resetMs: 3000 },
    });
  });

  it('are those of input and output tokens if the name of the policy says so, but not per day', () => {
    const policy = [
      '"input-tokens";q=90;w=60',
      '"output_tokens";q=80;w=60',
      '"daily-input-tokens";q=70;w=86400',
    ];
    const ratelimit = '"input-tokens";r=9;t=1, "output_tokens";r=8;t=2, "daily-input-tokens";r=7;t=3';
    expect(read({ ratelimit, 'ratelimit-policy': policy.join() })).toEqual({
      inputTokens: { limit: 90, remaining: 9, resetMs: 1000 },
      outputTokens: { limit: 80, remaining: 8, resetMs: 2000 },
    });
  });

  it('are read as tokens per day', () => {
    expect(read({ ratelimit: '"tokens";r=7;t=3600', 'ratelimit-policy': '"tokens";q=70;w=86400' })).toEqual({
      tokensPerDay: { limit: 70, remaining: 7, resetMs: 3_600_000 },
    });
  });

  it('are read in the format of draft 07', () => {
    expect(read({ ratelimit: 'limit=100, remaining=40, reset=30', 'ratelimit-policy': '100;w=60' })).toEqual({
      requests: { limit: 100, remaining: 40, resetMs: 30_000 },
    });
  });

  it.each([
    ['with a policy', { 'ratelimit-limit': '100', 'ratelimit-policy': '100;w=60' }],
    ['with the policy in the limit', { 'ratelimit-limit': '100, 100;w=60' }],
    ['without a policy', { 'ratelimit-limit': '100' }],
  ])('are read from separate fields %s', (_what, headers) => {
    expect(read({ ...headers, 'ratelimit-remaining': '40', 'ratelimit-reset': '30' })).toEqual({
      requests: { limit: 100, remaining: 40, resetMs: 30_000 },
    });
  });

  it('are ignored if the policy is per hour', () => {
    expect(
      read({
        'ratelimit-limit': '100',
        'ratelimit-remaining': '40',
        'ratelimit-reset': '30',
        'ratelimit-policy': '100;w=3600',
      }),
    ).toBeUndefined();
  });
});

describe('rate limits of other providers', () => {
  // https://openrouter.ai/docs/api/reference/limits
  it('are read from OpenRouter, whose reset is an epoch in milliseconds', () => {
    expect(
      read({
        'X-RateLimit-Limit': '20',
        'X-RateLimit-Remaining': '0',
        'X-RateLimit-Reset': String(NOW + 42_000),
      }),
    ).toEqual({
      requests: { limit: 20, remaining: 0, resetMs: 42_000 },
    });
    expect(
      read({
        'X-RateLimit-Limit': '50',
        'X-RateLimit-Remaining': '0',
        'X-RateLimit-Reset': String(NOW + 8 * 3_600_000),
      }),
    ).toEqual({
      requestsPerDay: { limit: 50, remaining: 0, resetMs: 28_800_000 },
    });
  });

  it('are read with a reset that is an epoch in seconds', () => {
    expect(
      read({
        'x-ratelimit-limit': '20',
        'x-ratelimit-remaining': '3',
        'x-ratelimit-reset': String(NOW / 1000 + 42),
      })?.requests?.resetMs,
    ).toBe(42_000);
  });

  // https://github.com/mistralai/client-ts/issues/169
  it('are read from Mistral, whose header names state the window', () => {
    expect(
      read({
        'x-ratelimit-limit-tokens-minute': '5000000',
        'x-ratelimit-remaining-tokens-minute': '4999911',
        'x-ratelimit-tokens-query-cost': '52',
        'x-ratelimit-limit-req-minute': '720',
        'x-ratelimit-remaining-req-minute': '717',
        'x-ratelimit-limit-tokens-month': '1',
        'x-ratelimit-remaining-tokens-month': '1',
      }),
    ).toEqual({ requests: { limit: 720, remaining: 717 }, tokens: { limit: 5000000, remaining: 4999911 } });
  });

  // https://inference-docs.cerebras.ai/support/rate-limits
  it('are read from Cerebras, whose header names state the window and whose resets are decimal seconds', () => {
    expect(
      read({
        'x-ratelimit-limit-requests-day': '1000000000',
        'x-ratelimit-remaining-requests-day': '999997455',
        'x-ratelimit-reset-requests-day': '33011.382867',
        'x-ratelimit-limit-tokens-minute': '1000000000',
        'x-ratelimit-remaining-tokens-minute': '999998298',
        'x-ratelimit-reset-tokens-minute': '11.382867',
      }),
    ).toEqual({
      requestsPerDay: {
        limit: 1000000000,
        remaining: 999997455,
        resetMs: expect.closeTo(33_011_382.867, 3) as number,
      },
      tokens: { limit: 1000000000, remaining: 999998298, resetMs: expect.closeTo(11_382.867, 3) as number },
    });
  });

  it('are read from a proxy with a fixed window of a minute', () => {
    expect(read(openai('500 499 59', '150000 149000 59'))).toEqual({
      requests: { limit: 500, remaining: 499, resetMs: 59_000 },
      tokens: { limit: 150000, remaining: 149000, resetMs: 59_000 },
    });
  });
});

describe('readRateLimits()', () => {
  it.each([
    '-1',
    '',
    ' ',
    'null',
    'NaN',
    'undefined',
    'Infinity',
    '-5',
    '1e9',
    '0x10',
    '1,000',
    'many',
    '9'.repeat(40),
    '9999999999999',
  ])('ignores a remaining of %p', (value) => {
    expect(read(openai('100 - -', '-'))).toEqual({ requests: { limit: 100 } });
    expect(read({ 'x-ratelimit-limit-requests': '100', 'x-ratelimit-remaining-requests': value })).toEqual({
      requests: { limit: 100 },
    });
    expect(read({ 'x-ratelimit-remaining-requests': value })).toBeUndefined();
  });

  it.each([
    ['a remaining above its limit', openai('100 101 1s', '-')],
    ['a limit of 0', openai('0 0 1s', '-')],
    ['a reset that is not a time', openai('100 50 soon', '-')],
    ['a negative reset', openai('100 50 -30s', '-')],
    ['a window of a quarter of an hour', openai('100 50 900', '-')],
    ['a window of an hour that refills continuously', openai('1000 990 36s', '-')],
    ['a reset in a year', openai('100 50 8760h', '-')],
    ['no value at all', { 'x-ratelimit-limit-requests': undefined }],
    ['an empty list', { 'x-ratelimit-limit-requests': [] }],
    [
      'headers without rate limits',
      { 'content-type': 'application/json', date: 'Thu, 01 Jan 2026 00:00:00 GMT' },
    ],
    ['no headers', {}],
  ])('returns undefined for %s', (_what, headers) => {
    expect(read(headers)).toBeUndefined();
  });

  it('ignores the second copy of a header', () => {
    expect(read({ 'x-ratelimit-remaining-requests': ['5', '900'] })).toEqual({ requests: { remaining: 5 } });
    expect(read({ 'x-ratelimit-remaining-requests': '5', 'X-RateLimit-Remaining-Requests': '900' })).toEqual({
      requests: { remaining: 5 },
    });
  });
});
