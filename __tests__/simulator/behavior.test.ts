import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import {
  type AnswerPlan,
  type ArrivingCall,
  formatDuration,
  type ModelDescription,
  ProviderBehavior,
  rateLimitHeaders,
  seededRandom,
  TokenBucket,
  tokensAt,
} from '../../lib/simulator/behavior';

const CALL: ArrivingCall = { model: 'm', promptTokens: 1000, maxTokens: 500, outputTokens: 200 };

function behaviorOf(model: ModelDescription, seed = 1, errorShare = 0) {
  return new ProviderBehavior({ models: { m: model }, random: seededRandom(seed), errorShare });
}

function answers(behavior: ProviderBehavior, count: number, now = 0): AnswerPlan[] {
  return Array.from({ length: count }, () => {
    const activeCall = behavior.admit(CALL, now);
    behavior.finish(activeCall, now);
    if (activeCall.plan.kind !== 'answer') throw new Error(`got ${activeCall.plan.kind}`);
    return activeCall.plan;
  });
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

describe('ProviderBehavior: limits', () => {
  it('admits at most depth + refill in any window', () => {
    const arrivals = fc.array(
      fc.record({ gap: fc.integer({ min: 0, max: 3000 }), tokens: fc.integer({ min: 1, max: 900 }) }),
      { minLength: 1, maxLength: 120 },
    );
    fc.assert(
      fc.property(
        arrivals,
        fc.integer({ min: 1, max: 120 }),
        fc.integer({ min: 1000, max: 60_000 }),
        fc.integer({ min: 1, max: 60 }),
        fc.constantFrom('reserved' as const, 'actual' as const),
        (calls, rpm, tpm, bucketSeconds, tokensCharged) => {
          const behavior = behaviorOf({ rpm, tpm, bucketSeconds, tokensCharged });
          const admitted: { at: number; tokens: number }[] = [];
          let now = 0;
          for (const { gap, tokens } of calls) {
            now += gap;
            const activeCall = behavior.admit(
              { model: 'm', promptTokens: tokens, maxTokens: 0, outputTokens: 0 },
              now,
            );
            if (activeCall.plan.kind === 'answer') admitted.push({ at: now, tokens });
            behavior.finish(activeCall, now);
          }
          const depth = {
            requests: Math.max(1, (rpm / 60) * bucketSeconds),
            tokens: (tpm / 60) * bucketSeconds,
          };
          for (let from = 0; from < admitted.length; from += 1) {
            let taken = 0;
            for (let to = from; to < admitted.length; to += 1) {
              taken += admitted[to]!.tokens;
              const span = (admitted[to]!.at - admitted[from]!.at) / 60_000;
              expect(to - from + 1).toBeLessThanOrEqual(depth.requests + rpm * span + 1e-3);
              expect(taken).toBeLessThanOrEqual(depth.tokens + tpm * span + 1e-3);
            }
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('sends the number of seconds after which the call is admitted as Retry-After', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 60 }), (rpm, bucketSeconds) => {
        const behavior = behaviorOf({ rpm, bucketSeconds, tokensCharged: 'actual' });
        let refusal = behavior.admit(CALL, 0).plan;
        for (let sent = 0; refusal.kind === 'answer' && sent < 700; sent += 1)
          refusal = behavior.admit(CALL, 0).plan;
        if (refusal.kind !== 'error') throw new Error('never refused');
        const seconds = refusal.retryAfterS!;
        expect(Number.isInteger(seconds) && seconds >= 1).toBe(true);
        if (seconds > 1) expect(behavior.admit(CALL, (seconds - 1) * 1000 - 1).plan.kind).toBe('error');
        expect(behavior.admit(CALL, seconds * 1000).plan.kind).toBe('answer');
      }),
      { numRuns: 60 },
    );
  });

  it('answers a refused call after 60 to 120 ms', () => {
    const behavior = behaviorOf({ rpm: 1 });
    behavior.admit(CALL, 0);
    for (let sent = 0; sent < 50; sent += 1) {
      const { plan } = behavior.admit(CALL, 0);
      expect(plan).toMatchObject({ kind: 'error', status: 429, code: 'rate_limit_exceeded' });
      if (plan.kind !== 'error') return;
      expect(plan.afterMs).toBeGreaterThanOrEqual(60);
      expect(plan.afterMs).toBeLessThanOrEqual(120);
    }
  });

  it('charges prompt and max_tokens at admission if tokensCharged is reserved', () => {
    const behavior = behaviorOf({ tpm: 60_000, tokensCharged: 'reserved' });
    const activeCall = behavior.admit(CALL, 0);
    expect(activeCall.plan).toMatchObject({ limits: { tokens: { limit: 60_000, remaining: 58_500 } } });
    behavior.finish(activeCall, 0);
    expect(behavior.admit(CALL, 0).plan).toMatchObject({ limits: { tokens: { remaining: 57_000 } } });
  });

  it('charges the prompt at admission and the output while it is generated if tokensCharged is actual', () => {
    const behavior = behaviorOf({ tpm: 60_000, tokensCharged: 'actual' });
    const activeCall = behavior.admit(CALL, 0);
    expect(activeCall.plan).toMatchObject({ limits: { tokens: { remaining: 59_000 } } });
    behavior.recordOutput(activeCall, 50, 0);
    behavior.finish(activeCall, 0);
    expect(behavior.admit(CALL, 0).plan).toMatchObject({ limits: { tokens: { remaining: 57_800 } } });
  });

  it("a refused call uses up one request with tokensCharged: 'reserved', and none with 'actual'", () => {
    const left = (tokensCharged: 'reserved' | 'actual') => {
      const behavior = behaviorOf({ rpm: 60, tpm: 2000, tokensCharged });
      const big = { ...CALL, promptTokens: 1500 };
      behavior.admit(big, 0);
      for (let sent = 0; sent < 3; sent += 1) expect(behavior.admit(big, 0).plan.kind).toBe('error');
      const { plan } = behavior.admit({ ...CALL, promptTokens: 0, maxTokens: 0 }, 0);
      return plan.kind === 'answer' ? plan.limits?.requests?.remaining : undefined;
    };
    expect(left('reserved')).toBe(55);
    expect(left('actual')).toBe(58);
  });

  it('refuses a call larger than the bucket as too large, without a Retry-After', () => {
    const { plan } = behaviorOf({ tpm: 1000, tokensCharged: 'reserved' }).admit(CALL, 0);
    expect(plan).toMatchObject({
      status: 429,
      message: expect.stringMatching(/too large.*Limit 1000, Requested 1500/) as string,
    });
    expect(plan).not.toHaveProperty('retryAfterS');
  });

  it('has separate limits for each key and model', () => {
    const behavior = new ProviderBehavior({
      models: { m: { rpm: 1 }, n: { rpm: 1 } },
      random: seededRandom(1),
      errorShare: 0,
    });
    const kinds = [{ key: 'a' }, { key: 'b' }, { key: 'a', model: 'n' }, { key: 'a' }].map(
      (part) => behavior.admit({ ...CALL, ...part }, 0).plan.kind,
    );
    expect(kinds).toEqual(['answer', 'answer', 'answer', 'error']);
  });

  it('counts each key separately, and forgets the one that came first after a thousand others', () => {
    const behavior = behaviorOf({ rpm: 1 });
    const kindOf = (key: string) => behavior.admit({ ...CALL, key }, 0).plan.kind;
    expect([kindOf('first'), kindOf('first'), kindOf('other')]).toEqual(['answer', 'error', 'answer']);
    for (let key = 0; key < 999; key++) kindOf(`key-${key}`);
    expect([kindOf('other'), kindOf('first')]).toEqual(['error', 'answer']);
  });

  it('admits a call without a limit of its own whose prompt fits, even if answers are reserved', () => {
    const behavior = behaviorOf({ contextWindow: 1_000, tpm: 60_000, tokensCharged: 'reserved' });
    const { maxTokens: _, ...call } = CALL;
    expect(behavior.admit(call, 0).plan.kind).toBe('answer');
    expect(behavior.admit({ ...call, promptTokens: 1_001 }, 0).plan).toMatchObject({
      code: 'context_length_exceeded',
    });
  });

  it('has a bucket that is never empty without a limit, and never full enough for more than its depth', () => {
    const bucket = new TokenBucket(60, 30, 0);
    bucket.take(30, 0);
    expect([bucket.msUntil(30, 0), bucket.msUntil(31, 0), bucket.msUntilFull(0)]).toEqual([
      30_000,
      Infinity,
      30_000,
    ]);
    const unlimited = new TokenBucket(Infinity, Infinity, 0);
    unlimited.take(1e9, 0);
    unlimited.takeAvailable(1e9, 0);
    expect([unlimited.msUntil(1e9, 0), unlimited.msUntilFull(0)]).toEqual([0, 0]);
  });

  it('tolerates a clock that goes backwards', () => {
    const bucket = new TokenBucket(60, 60, 1000);
    bucket.take(60, 1000);
    expect(bucket.level(0)).toBe(0);
    expect(bucket.level(2000)).toBeCloseTo(1);
  });
});

describe('rateLimitHeaders', () => {
  it('formats durations as OpenAI does', () => {
    const written = [0, 6, 1000, 1520, 62_000, 360_000, 3_603_500].map(formatDuration);
    expect(written).toEqual(['0s', '6ms', '1s', '1.52s', '1m2s', '6m0s', '1h0m3.5s']);
  });

  it('contains limit, remaining and reset of both buckets', () => {
    const { plan } = behaviorOf({ rpm: 60, tpm: 60_000 }).admit(CALL, 0);
    expect(rateLimitHeaders('limits' in plan ? plan.limits : undefined)).toEqual({
      'x-ratelimit-limit-requests': '60',
      'x-ratelimit-remaining-requests': '59',
      'x-ratelimit-reset-requests': '1s',
      'x-ratelimit-limit-tokens': '60000',
      'x-ratelimit-remaining-tokens': '59000',
      'x-ratelimit-reset-tokens': '1s',
    });
  });

  it('has nothing to send if sendsRateLimitHeaders is false', () => {
    expect(behaviorOf({ rpm: 60, sendsRateLimitHeaders: false }).admit(CALL, 0).plan).not.toHaveProperty(
      'limits',
    );
  });
});

describe('ProviderBehavior: latency', () => {
  const AT_REST = { ttftMs: 450, msPerPromptToken: 0.06, msPerOutputToken: 13 };

  it('has the documented medians and spread', () => {
    const plans = answers(behaviorOf(AT_REST), 4000);
    const first = plans.map(({ firstTokenMs }) => firstTokenMs);
    expect(median(first)).toBeGreaterThan(510 * 0.97);
    expect(median(first)).toBeLessThan(510 * 1.03);
    const pace = median(plans.map(({ totalMs, firstTokenMs }) => totalMs - firstTokenMs));
    expect(pace / 2600).toBeGreaterThan(0.98);
    expect(pace / 2600).toBeLessThan(1.02);
    const logs = first.map((ms) => Math.log(ms / 510)).sort((a, b) => a - b);
    // One standard deviation, from the 16th and 84th percentile, which stragglers do not affect.
    expect((logs[3360]! - logs[640]!) / 2).toBeCloseTo(0.3, 1);
    const stragglers = first.filter((ms) => ms > 510 * 3.2).length / first.length;
    expect(stragglers).toBeGreaterThan(0.003);
    expect(stragglers).toBeLessThan(0.02);
  });

  it('slows down when more than comfortableInFlight calls are in flight', () => {
    const model = { ...AT_REST, comfortableInFlight: 10 };
    const slowAt = (inFlight: number) => {
      const behavior = behaviorOf(model, 7);
      for (let sent = 0; sent < inFlight; sent += 1) behavior.admit(CALL, 0);
      return median(answers(behavior, 2000).map(({ firstTokenMs }) => firstTokenMs)) / 510;
    };
    expect(slowAt(9)).toBeCloseTo(1, 1);
    expect(slowAt(29)).toBeCloseTo(2, 1);
    expect(slowAt(400) / 6).toBeCloseTo(1, 1);
  });

  it('cuts the answer off at max_tokens', () => {
    const { plan } = behaviorOf({}).admit({ ...CALL, outputTokens: 800 }, 0);
    expect(plan).toMatchObject({ outputTokens: 500, finish: 'length' });
  });

  it('tokensAt interpolates between the first and the last token', () => {
    const plan = { firstTokenMs: 100, totalMs: 1100, outputTokens: 101 } as AnswerPlan;
    expect([0, 99, 100, 600, 1100, 9999].map((ms) => tokensAt(plan, ms))).toEqual([0, 0, 1, 51, 101, 101]);
  });
});

describe('ProviderBehavior: faults', () => {
  const kindsOf = (behavior: ProviderBehavior, count: number) =>
    Array.from({ length: count }, () => {
      const { plan } = behavior.admit(CALL, 0);
      return plan.kind === 'error' ? plan.status : plan.kind;
    });
  const shareOf = (kinds: (string | number)[], kind: string | number) =>
    kinds.filter((other) => other === kind).length / kinds.length;

  it('outage: half of the calls get a 503, half get no answer', () => {
    const behavior = behaviorOf({});
    behavior.faults.add({ kind: 'outage' }, 0);
    const kinds = kindsOf(behavior, 2000);
    expect(shareOf(kinds, 503)).toBeCloseTo(0.5, 1);
    expect(shareOf(kinds, 'silent')).toBeCloseTo(0.5, 1);
  });

  it('storm429: 90 % of the calls get a 429 after 80 ms with a Retry-After of 2 to 10 s', () => {
    const behavior = behaviorOf({});
    behavior.faults.add({ kind: 'storm429' }, 0);
    const plans = Array.from({ length: 2000 }, () => behavior.admit(CALL, 0).plan);
    const refused = plans.filter((plan) => plan.kind === 'error');
    expect(refused.length / plans.length).toBeCloseTo(0.9, 1);
    expect(new Set(refused.map(({ afterMs }) => afterMs))).toEqual(new Set([80]));
    expect([...new Set(refused.map(({ retryAfterS }) => retryAfterS))].sort((a, b) => a! - b!)).toEqual([
      2, 3, 4, 5, 6, 7, 8, 9, 10,
    ]);
  });

  it('brownout: every latency is multiplied by the factor', () => {
    const behavior = behaviorOf({ ttftMs: 100, msPerPromptToken: 0, msPerOutputToken: 1 });
    behavior.faults.add({ kind: 'brownout' }, 0);
    const plans = answers(behavior, 2000);
    expect(median(plans.map(({ firstTokenMs }) => firstTokenMs)) / 1000).toBeCloseTo(1, 1);
    expect(median(plans.map(({ totalMs, firstTokenMs }) => totalMs - firstTokenMs)) / 2000).toBeCloseTo(1, 1);
  });

  it('no fault: 0.3 % of the calls get a 500 by default', () => {
    const behavior = new ProviderBehavior({ models: { m: {} }, random: seededRandom(3) });
    const share = shareOf(kindsOf(behavior, 20_000), 500);
    expect(share).toBeGreaterThan(0.002);
    expect(share).toBeLessThan(0.004);
  });

  it('a fault applies only within its models, share, calls and forMs', () => {
    const behavior = new ProviderBehavior({
      models: { m: {}, n: {} },
      random: seededRandom(1),
      errorShare: 0,
    });
    behavior.faults.add({ kind: 'unauthorized', models: ['n'], calls: 2 }, 0);
    const statuses = ['m', 'n', 'n', 'n'].map((model) => behavior.admit({ ...CALL, model }, 0).plan.kind);
    expect(statuses).toEqual(['answer', 'error', 'error', 'answer']);

    behavior.faults.add({ kind: 'silence', forMs: 1000 }, 0);
    expect(behavior.admit(CALL, 999).plan.kind).toBe('silent');
    expect(behavior.admit(CALL, 1000).plan.kind).toBe('answer');

    behavior.faults.add({ kind: 'err5xx', share: 0.2 }, 0);
    expect(shareOf(kindsOf(behavior, 3000), 500)).toBeCloseTo(0.2, 1);
  });

  it('an abandoned call is billed for its prompt and the tokens generated so far', () => {
    const behavior = behaviorOf({ price: { input: 2, output: 10 } });
    const activeCall = behavior.admit(CALL, 0);
    behavior.abandon(activeCall, 20, 0);
    behavior.finish(activeCall, 0);
    expect(behavior.counters).toMatchObject({ aborted: 1, answered: 0, inFlight: 0, outputTokens: 20 });
    expect(behavior.counters.usd).toBeCloseTo((1000 * 2 + 20 * 10) / 1e6);
  });
});

it('ProviderBehavior: every planned time is a finite number under any combination of faults', () => {
  const kinds = ['outage', 'brownout', 'err5xx', 'storm429', 'cut', 'stall', 'bad_answer', 'reset'] as const;
  fc.assert(
    fc.property(
      fc.integer(),
      fc.array(fc.constantFrom(...kinds)),
      fc.record({ prompt: fc.nat(200_000), max: fc.nat(5000), output: fc.nat(5000) }),
      (seed, faults, size) => {
        const behavior = behaviorOf({ rpm: 30, tpm: 100_000, comfortableInFlight: 2 }, seed, 0.1);
        for (const kind of faults) behavior.faults.add({ kind }, 0);
        for (let now = 0; now < 20_000; now += 1000) {
          const call = {
            model: 'm',
            promptTokens: size.prompt,
            maxTokens: size.max,
            outputTokens: size.output,
          };
          const activeCall = behavior.admit(call, now);
          const { plan } = activeCall;
          const times = plan.kind === 'answer' ? [plan.firstTokenMs, plan.totalMs - plan.firstTokenMs] : [];
          if (plan.kind === 'error') times.push(plan.afterMs);
          for (const time of times) expect(time >= 0 && Number.isFinite(time)).toBe(true);
          behavior.finish(activeCall, now);
        }
        expect(Object.values(behavior.counters).every(Number.isFinite)).toBe(true);
      },
    ),
    { numRuns: 100 },
  );
});

it('ProviderBehavior: equal seeds give equal plans', () => {
  const run = () => JSON.stringify(answers(behaviorOf({ tpm: 1e9, comfortableInFlight: 3 }, 42), 200));
  expect(run()).toBe(run());
});

const SCENARIOS = resolve(__dirname, '../../../shared/scenarios.json');

it('ProviderBehavior: accepts model descriptions from plain JSON', () => {
  const rows = existsSync(SCENARIOS)
    ? (JSON.parse(readFileSync(SCENARIOS, 'utf8')) as { fleet: Record<string, unknown>[] }).fleet
    : [{ model: 'm', rpm: 600, tpm: 300_000, ttftMs: 450, msPerOutputToken: 13, bucketSeconds: 60 }];
  for (const { model, rpm, tpm, bucketSeconds, comfortableInFlight } of rows) {
    const description = { rpm, tpm, bucketSeconds, comfortableInFlight } as ModelDescription;
    const behavior = new ProviderBehavior({
      models: { [String(model)]: description },
      random: seededRandom(1),
    });
    const { plan } = behavior.admit({ ...CALL, model: String(model) }, 0);
    expect('limits' in plan && plan.limits?.tokens?.limit).toBe(tpm);
  }
});

it.each([
  [{ rpm: -1 }, /models\["m"\]\.rpm: expected a number above 0, got -1/],
  [{ ttftMs: Number.NaN }, /ttftMs: expected a number of at least 0, got NaN/],
  [{ rmp: 3 } as ModelDescription, /models\["m"\]\.rmp is not an option/],
])('ProviderBehavior: an invalid model description is rejected: %j', (model, message) => {
  expect(() => behaviorOf(model)).toThrow(message);
});
