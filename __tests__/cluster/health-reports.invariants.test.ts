import fc from 'fast-check';
import { Member, type ProviderAnswer } from './health-reports-member';
import { SimulatedRedis } from './simulated-redis';

// Simulated time, which takes a busy machine long.

const SOUND: ProviderAnswer = { status: 200, ms: 20 };

const ANSWERS: Readonly<Record<string, ProviderAnswer>> = {
  sound: SOUND,
  slow: { status: 200, ms: 1_500 },
  down: { status: 503, ms: 20 },
  hangs: { status: 200, ms: 60_000 },
  odd: { status: 400, ms: 20 },
  busy: { status: 429, ms: 20, headers: { 'retry-after-ms': '700' } },
};

const phase = fc.record({
  /** How the provider answers each member: some may be cut off from it. */
  answers: fc.array(fc.constantFrom(...Object.keys(ANSWERS)), { minLength: 4, maxLength: 4 }),
  ms: fc.integer({ min: 250, max: 6_000 }),
  isRedisUp: fc.boolean(),
});

const network = fc.record({
  lossPercentage: fc.integer({ min: 0, max: 80 }),
  longestDelayMs: fc.constantFrom(1, 50, 1_000, 8_000),
  copies: fc.integer({ min: 1, max: 3 }),
  seed: fc.integer(),
});

const scenario = fc.record({
  members: fc.integer({ min: 2, max: 4 }),
  phases: fc.array(phase, { minLength: 1, maxLength: 6 }),
  network,
});

type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

/** Pseudo-random numbers from 0 to 1 (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function run({ members, phases, network }: Scenario, isRedisSteady: boolean) {
  const redis = new SimulatedRedis();
  const random = seeded(network.seed);
  redis.delivery = () => {
    if (random() * 100 < network.lossPercentage) return [];
    return Array.from({ length: network.copies }, () => random() * network.longestDelayMs);
  };
  let answers: readonly string[] = [];
  let mostProbes = 0;
  const joined: Member[] = [];
  for (let nth = 0; nth < members; nth++) {
    joined.push(
      new Member(redis.connect(nth * 3 - 4), () => {
        mostProbes = Math.max(mostProbes, joined.filter(({ isProbing }) => isProbing).length);
        return ANSWERS[answers[nth] ?? 'sound'] ?? SOUND;
      }),
    );
  }
  const step = async (ms: number): Promise<void> => {
    for (let at = 0; at < ms; at += 250) {
      for (const member of joined) void member.call();
      await jest.advanceTimersByTimeAsync(Math.min(250, ms - at));
    }
  };
  for (const { answers: next, ms, isRedisUp } of phases) {
    answers = next;
    redis.isUp = isRedisSteady || isRedisUp;
    await step(ms);
  }
  const probesInTrouble = mostProbes;
  answers = [];
  redis.isUp = true;
  const notClosed = () => joined.filter(({ state }) => state !== 'closed').length;
  for (let seconds = 0; seconds < 120 && notClosed() > 0; seconds += 5) await step(5_000);
  const states = joined.map(({ state }) => state);
  for (const member of joined) member.close();
  await jest.advanceTimersByTimeAsync(70_000);
  return { states, probesInTrouble, timersLeft: jest.getTimerCount() };
}

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});

afterEach(() => {
  jest.useRealTimers();
});

describe('Health reports, even if messages are lost, late or repeated:', () => {
  it('only one process probes at a time while Redis is reachable, and all breakers close in the end', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (given) => {
        const { states, probesInTrouble, timersLeft } = await run(given, true);
        expect(probesInTrouble).toBeLessThanOrEqual(1);
        expect(new Set(states)).toEqual(new Set(['closed']));
        expect(timersLeft).toBe(0);
      }),
      { numRuns: 25 },
    );
  });

  it('all breakers close in the end even if Redis is unreachable at times', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (given) => {
        const { states, timersLeft } = await run(given, false);
        expect(new Set(states)).toEqual(new Set(['closed']));
        expect(timersLeft).toBe(0);
      }),
      { numRuns: 15 },
    );
  });
});
