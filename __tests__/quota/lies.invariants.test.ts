import axios, { type AxiosAdapter } from 'axios';
import { type AiBalancerError, Balancer } from 'express-ai-balancer';
import fc from 'fast-check';
import { useFakeClock } from './virtual-key';

useFakeClock();

const TPM = 30_000;
const RPM = 600;
const DAY_MS = 24 * 3_600_000;
const BODY = { model: 'm', messages: [{ role: 'user' as const, content: 'Hello' }] };

/** Any figure that an upstream may report, whether it is plausible or not. */
const figure = fc.oneof(
  fc.nat(1_000),
  fc.double(),
  fc.constantFrom<unknown>(0, -1, 1e9, 1e308, '12', '1e9', null, {}, [], true),
);
const header = fc.oneof(
  fc.nat(100_000).map(String),
  fc.double().map(String),
  fc.constantFrom(
    '0',
    '1',
    '-5',
    '1e9',
    '99999999999',
    'NaN',
    '',
    '0s',
    '-1s',
    '9999h',
    '1ms',
    '60s',
    'soon',
  ),
);
const HEADERS = [
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-tokens',
  'x-ratelimit-limit-requests',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-reset-requests',
  'retry-after',
  'retry-after-ms',
];
const lie = fc.record({
  status: fc.oneof({ weight: 9, arbitrary: fc.constant(200) }, fc.constant(429)),
  usage: fc.option(
    fc.record({
      prompt_tokens: figure,
      completion_tokens: figure,
      total_tokens: figure,
      prompt_tokens_details: fc.oneof(fc.record({ cached_tokens: figure }), figure),
    }),
  ),
  headers: fc.dictionary(fc.constantFrom(...HEADERS), header),
  maxTokens: fc.option(fc.integer({ min: 1, max: 50_000 }), { nil: undefined }),
});

interface Lie {
  readonly status: number;
  readonly usage: unknown;
  readonly headers: Record<string, string>;
}

const answerOf = (usage: unknown) => ({
  id: 'x',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hello' } }],
  usage,
});

/** Two endpoints of one model: 'liar' reports the given lies in turn, 'sound' reports correct figures. */
function start(lies: readonly Lie[]): { balancer: Balancer; sentLies: () => number } {
  let next = 0;
  const adapter: AxiosAdapter = async (config) => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const isLiar = String(config.baseURL ?? config.url).includes('liar');
    const { status, usage, headers } = isLiar
      ? lies[next++ % lies.length]!
      : { status: 200, usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }, headers: {} };
    const data = status === 200 ? answerOf(usage) : { error: { message: 'slow down' } };
    return {
      status,
      statusText: '',
      headers: { 'content-type': 'application/json', ...headers },
      data: JSON.stringify(data),
      config,
    };
  };
  const balancer = new Balancer({
    endpoints: ['liar', 'sound'].map((name) => ({
      name,
      model: 'm',
      apiKey: 'sk-test',
      baseURL: `http://${name}.invalid/v1`,
      // High limits for the liar: low ones would keep most of its lies from being delivered.
      rpm: name === 'liar' ? 100 * RPM : RPM,
      tpm: name === 'liar' ? 100 * TPM : TPM,
      price: { input: 1, output: 1 },
      maxOutputTokens: 16_000,
    })),
    hedge: false,
    logger: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
    http: { axios: axios.create({ adapter }) },
  });
  return { balancer, sentLies: () => next };
}

/** Advances the clock until the promise is settled. */
async function settled<T>(promise: Promise<T>, maxMs: number): Promise<T> {
  const state = { isSettled: false };
  const done = promise.finally(() => (state.isSettled = true));
  done.catch(() => undefined);
  for (let ms = 0; ms < maxMs && !state.isSettled; ms += 250) await jest.advanceTimersByTimeAsync(250);
  return done;
}

function expectSaneStats(balancer: Balancer): void {
  for (const endpoint of balancer.stats().endpoints) {
    const { requestsLeft = 0, tokensLeft = 0, averageLatencyMs = 0, cooldownUntil = 0 } = endpoint;
    for (const value of [requestsLeft, tokensLeft, averageLatencyMs, cooldownUntil])
      expect(Number.isFinite(value)).toBe(true);
    expect(requestsLeft).toBeLessThanOrEqual(100 * RPM);
    expect(tokensLeft).toBeLessThanOrEqual(100 * TPM);
    expect(averageLatencyMs).toBeGreaterThanOrEqual(0);
    if (cooldownUntil > 0) expect(cooldownUntil - Date.now()).toBeLessThanOrEqual(1.1 * DAY_MS);
    expect(endpoint.inFlight).toBe(0);
  }
}

/** Expects the figures of a route report to be finite, not negative, and plausible. */
function expectSaneRoute({ usage, costUsd = 0 }: { usage?: unknown; costUsd?: number }): void {
  expect(costUsd).toBeGreaterThanOrEqual(0);
  expect(costUsd).toBeLessThanOrEqual((16_000 + 2_000) / 1e6);
  if (usage === undefined) return;
  const { prompt_tokens: prompt, completion_tokens: completion } = usage as Record<string, number>;
  for (const tokens of [prompt, completion]) {
    expect(tokens).toBeGreaterThanOrEqual(0);
    expect(tokens).toBeLessThanOrEqual(16_000);
  }
}

describe('After 1,000 random false figures from one upstream', () => {
  it('another endpoint of the same model serves all calls of other tenants, and every reported figure is plausible', async () => {
    const counts: number[] = [];
    await fc.assert(
      fc.asyncProperty(fc.array(lie, { minLength: 20, maxLength: 60 }), async (lies) => {
        const { balancer, sentLies } = start(lies);
        for (let batch = 0; batch < 20; batch++) {
          // Ends cooldowns and closes the breaker, so that later lies are delivered as well.
          balancer.endpoint('liar').enable();
          await jest.advanceTimersByTimeAsync(60_000);
          const calls = Array.from({ length: 50 }, async (_, n) => {
            const { maxTokens } = lies[n % lies.length]!;
            const body = maxTokens === undefined ? BODY : { ...BODY, max_tokens: maxTokens };
            const options = { endpoint: 'liar', tenant: `t${(batch * 50 + n) % 40}`, timeoutMs: 1_000 };
            const result = await balancer
              .chat(body, options)
              .withRoute()
              .catch((error: unknown) => error as AiBalancerError);
            if ('route' in result && 'data' in result) expectSaneRoute(result.route);
            else {
              const { code, retryAfterMs = 0 } = result;
              expect(code).toMatch(/^ERR_AI_(SATURATED|UNAVAILABLE|ALL_FAILED|DEADLINE)$/);
              expect(retryAfterMs).toBeGreaterThanOrEqual(0);
              expect(retryAfterMs).toBeLessThanOrEqual(1.1 * DAY_MS);
            }
          });
          await settled(Promise.all(calls), 5_000);
        }
        counts.push(sentLies());
        expectSaneStats(balancer);
        const others = Array.from({ length: 20 }, (_, n) =>
          balancer.chat(BODY, { endpoint: 'sound', tenant: `other ${n}` }),
        );
        await settled(Promise.all(others), 30_000);
        const anywhere = Array.from({ length: 20 }, (_, n) =>
          balancer.chat(BODY, { tenant: `another ${n}` }),
        );
        await settled(Promise.all(anywhere), 60_000);
        expectSaneStats(balancer);
        await balancer.close();
      }),
      { numRuns: 3 },
    );
    // A refused call delivers no lie, so some are missing.
    for (const count of counts) expect(count).toBeGreaterThan(200);
  });
});
