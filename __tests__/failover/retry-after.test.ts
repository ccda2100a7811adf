import type { AiBalancerError } from 'express-ai-balancer';
import fc from 'fast-check';
import { DEFAULTS } from '../../lib/config/defaults';
import { decideNext, historyAfter, type RetryOption } from '../../lib/failover/retry-plan';
import type { FailureClass } from '../../lib/failure/classes';
import {
  answer,
  BODY,
  error,
  inSequence,
  json,
  type Responder,
  Rig,
  type RigConfig,
  rejection,
  reset,
  silence,
  startStream,
  until,
} from './upstream';

const rig = new Rig();
const HOUR_MS = 3_600_000;
const limited = (ms: number) => error(429, {}, { 'retry-after-ms': String(ms) });
const noChoices: Responder = (arrival) => json(arrival, 200, { choices: [] });

interface Case {
  readonly what: string;
  readonly endpoints: Record<string, Responder>;
  readonly config?: RigConfig;
  readonly least: number;
  readonly most: number;
  readonly status?: number;
  readonly isStreamed?: boolean;
}

const CASES: Case[] = [
  {
    what: 'the only endpoint is limited',
    endpoints: { a: limited(7_000) },
    least: 5_500,
    most: 7_700,
    status: 429,
  },
  {
    what: 'one is limited for longer than another',
    endpoints: { a: limited(50_000), b: limited(9_000) },
    least: 7_500,
    most: 9_900,
    status: 429,
  },
  { what: 'the only endpoint answers 500', endpoints: { a: error(500) }, least: 1, most: 1_000 },
  { what: 'the only endpoint resets the connection', endpoints: { a: reset }, least: 1, most: 1_000 },
  {
    what: 'the only endpoint shows no first token in time',
    endpoints: { a: silence },
    config: { timeouts: { firstTokenMs: 100 } },
    isStreamed: true,
    least: 1,
    most: 1_000,
  },
  { what: 'the only endpoint answers without choices', endpoints: { a: noChoices }, least: 1, most: 1_000 },
  {
    what: 'a 503 has a Retry-After',
    endpoints: { a: error(503, {}, { 'retry-after': '20' }) },
    least: 19_000,
    most: 20_000,
  },
  {
    what: 'the only key is refused',
    endpoints: { a: error(401, { code: 'invalid_api_key' }) },
    least: 590_000,
    most: 600_000,
  },
  { what: 'the only account is exhausted', endpoints: { a: error(402) }, least: 890_000, most: 900_000 },
  {
    what: 'the model is gone',
    endpoints: { a: error(404, { code: 'model_not_found' }) },
    least: 3_590_000,
    most: HOUR_MS,
  },
  { what: 'the path is unknown', endpoints: { a: error(404) }, least: 1, most: 1_000 },
  {
    what: 'one key is refused and another endpoint resets the connection',
    endpoints: { a: error(401, { code: 'invalid_api_key' }), b: reset },
    least: 1,
    most: 1_000,
  },
  {
    what: 'one key is refused and another endpoint is limited',
    endpoints: { a: error(401, { code: 'invalid_api_key' }), b: limited(9_000) },
    least: 7_500,
    most: 9_900,
  },
];

describe('ERR_AI_ALL_FAILED says when a call of this kind could start', () => {
  it.each(CASES)('if $what', async ({ endpoints, config, least, most, status = 502, isStreamed = false }) => {
    const { balancer } = await rig.start(endpoints, {
      retry: { maxAttempts: 2, baseDelayMs: 5, maxDelayMs: 10 },
      ...config,
    });
    const call = balancer.chat({ ...BODY, stream: isStreamed }, { timeoutMs: 5_000 });
    const failed = (await rejection(call)) as AiBalancerError;
    expect(failed).toMatchObject({ code: 'ERR_AI_ALL_FAILED', status, retryable: true });
    expect(failed.retryAfterMs).toBeGreaterThanOrEqual(least);
    expect(failed.retryAfterMs).toBeLessThanOrEqual(most);
    expect(Number(failed.headers?.['Retry-After'])).toBe(Math.ceil(failed.retryAfterMs! / 1_000));
  });

  it('if the breaker of the only other endpoint is open until after the deadline', async () => {
    const { balancer } = await rig.start(
      { open: inSequence(error(500), answer()), a: inSequence(answer(), noChoices) },
      { breaker: { consecutiveFailures: 1, resetTimeoutMs: 9_000 } },
    );
    await balancer.chat(BODY);
    const failed = (await rejection(balancer.chat(BODY, { timeoutMs: 4_000 }))) as AiBalancerError;
    expect(failed.code).toBe('ERR_AI_ALL_FAILED');
    expect(failed.retryAfterMs).toBeLessThanOrEqual(9_000);
  });

  it('if another call occupies the only slot of the endpoint that failed this one', async () => {
    let fail: (() => void) | undefined;
    const { balancer } = await rig.start(
      { a: inSequence((arrival) => (fail = () => reset(arrival)), startAndHold) },
      { each: { a: { maxConcurrent: 1 } } },
    );
    const first = rejection(balancer.chat(BODY));
    await until(() => fail !== undefined);
    const second = balancer.chat({ ...BODY, stream: true });
    await until(() => balancer.stats().queue.size === 1);
    fail?.();
    const failed = (await first) as AiBalancerError;
    expect(failed.code).toBe('ERR_AI_ALL_FAILED');
    expect(failed.retryAfterMs).toBeGreaterThanOrEqual(1);
    expect(failed.retryAfterMs).toBeLessThanOrEqual(HOUR_MS);
    (await second).abort();
  });
});

const startAndHold: Responder = (arrival) => startStream(arrival, 'One');

describe('Retry plan: a call that gives up', () => {
  const CLASSES: FailureClass[] = [
    'rate_limited',
    'unauthorized',
    'quota_exhausted',
    'not_served',
    'server',
    'timeout',
    'connection',
    'bad_answer',
  ];
  const failures = fc.array(
    fc.record({
      endpoint: fc.integer({ min: 0, max: 3 }),
      kind: fc.constantFrom(...CLASSES),
      retryAfterMs: fc.option(fc.integer({ min: 0, max: 2 * HOUR_MS }), { nil: undefined }),
      afterMs: fc.integer({ min: 0, max: 2_000 }),
    }),
    { maxLength: 8 },
  );
  const options = fc.array(
    fc.record({
      waitMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 * HOUR_MS }), fc.constant(Infinity)),
      isBusy: fc.boolean(),
      serviceMs: fc.integer({ min: 0, max: 90_000 }),
      isFailing: fc.boolean(),
    }),
    { maxLength: 4 },
  );

  it('gets the soonest time at which any endpoint can serve such a call as its retry time', () => {
    let gaveUp = 0;
    fc.assert(
      fc.property(
        failures,
        options,
        fc.boolean(),
        fc.integer({ min: 0, max: 60_000 }),
        (past, shown, spent, leftMs) => {
          let now = 0;
          let history: ReturnType<typeof historyAfter> = new Map();
          for (const { endpoint, kind, retryAfterMs, afterMs } of past) {
            now += afterMs;
            const detail = {
              class: kind,
              message: '',
              ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
            };
            const situation = { now, deadlineAt: now + leftMs, retry: DEFAULTS.retry };
            history = historyAfter(history, `e${endpoint}`, detail, situation);
          }
          const known: RetryOption[] = shown.map(({ waitMs, isBusy, ...rest }, n) => ({
            ...rest,
            name: `e${n}`,
            startAt: isBusy ? Infinity : now + waitMs,
            isBusy,
            ...(isBusy ? { availableAt: now + Math.max(250, rest.serviceMs) } : {}),
          }));
          const decision = decideNext({
            now,
            deadlineAt: now + leftMs,
            options: known,
            history,
            maxAttempts: DEFAULTS.retry.maxAttempts,
            isBudgetSpent: spent,
          });
          if (decision.kind !== 'give-up') return;
          gaveUp++;
          const soonest = Math.min(...known.map(({ startAt, availableAt = startAt }) => availableAt));
          if (soonest === Infinity) expect(decision.retryAt).toBe(Infinity);
          else {
            expect(decision.retryAt).toBeGreaterThanOrEqual(soonest);
            expect(decision.retryAt).toBeLessThanOrEqual(Math.max(soonest, now + 250));
          }
        },
      ),
      { numRuns: 2_000, seed: 7 },
    );
    expect(gaveUp).toBeGreaterThan(200);
  });
});
