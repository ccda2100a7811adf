import fc from 'fast-check';
import { Member, type ProviderAnswer } from './health-reports-member';
import { SimulatedRedis } from './simulated-redis';

const SOUND: ProviderAnswer = { status: 200, ms: 20 };

const PLAYS: Readonly<Record<string, ProviderAnswer>> = {
  sound: SOUND,
  slow: { status: 200, ms: 1_500 },
  down: { status: 503, ms: 20 },
  hangs: { status: 200, ms: 60_000 },
  odd: { status: 400, ms: 20 },
  busy: { status: 429, ms: 20, headers: { 'retry-after-ms': '700' } },
};

const phase = fc.record({
  /** What the provider does for each member: some may be cut off from it. */
  plays: fc.array(fc.constantFrom(...Object.keys(PLAYS)), { minLength: 4, maxLength: 4 }),
  ms: fc.integer({ min: 250, max: 6_000 }),
  isRedisUp: fc.boolean(),
});

const network = fc.record({
  lossPercentage: fc.integer({ min: 0, max: 80 }),
  longestDelayMs: fc.constantFrom(1, 50, 1_000, 8_000),
  copies: fc.integer({ min: 1, max: 3 }),
  seed: fc.integer(),
});

const story = fc.record({
  members: fc.integer({ min: 2, max: 4 }),
  phases: fc.array(phase, { minLength: 1, maxLength: 6 }),
  network,
});

type Story = typeof story extends fc.Arbitrary<infer T> ? T : never;

/** A random number from 0 to 1 that a seed repeats (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function tell({ members, phases, network }: Story, isRedisSteady: boolean) {
  const wire = new SimulatedRedis();
  const random = seeded(network.seed);
  wire.delivery = () => {
    if (random() * 100 < network.lossPercentage) return [];
    return Array.from({ length: network.copies }, () => random() * network.longestDelayMs);
  };
  let plays: readonly string[] = [];
  let mostProbes = 0;
  const joined: Member[] = [];
  for (let nth = 0; nth < members; nth++) {
    joined.push(
      new Member(wire.connect(nth * 3 - 4), () => {
        mostProbes = Math.max(mostProbes, joined.filter(({ isProbing: probes }) => probes).length);
        return PLAYS[plays[nth] ?? 'sound'] ?? SOUND;
      }),
    );
  }
  const step = async (ms: number): Promise<void> => {
    for (let at = 0; at < ms; at += 250) {
      for (const member of joined) void member.call();
      await jest.advanceTimersByTimeAsync(Math.min(250, ms - at));
    }
  };
  for (const { plays: now, ms, isRedisUp } of phases) {
    plays = now;
    wire.isUp = isRedisSteady || isRedisUp;
    await step(ms);
  }
  const probesInTrouble = mostProbes;
  plays = [];
  wire.isUp = true;
  const rests = () => joined.filter(({ state }) => state !== 'closed').length;
  for (let seconds = 0; seconds < 120 && rests() > 0; seconds += 5) await step(5_000);
  const states = joined.map(({ state }) => state);
  for (const member of joined) member.close();
  await jest.advanceTimersByTimeAsync(70_000);
  return { states, probesInTrouble, left: jest.getTimerCount() };
}

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});

afterEach(() => {
  jest.useRealTimers();
});

describe('whatever is lost, late or repeated', () => {
  it('no two members probe at once while claims can be asked for, and all come back in the end', async () => {
    await fc.assert(
      fc.asyncProperty(story, async (told) => {
        const { states, probesInTrouble, left } = await tell(told, true);
        expect(probesInTrouble).toBeLessThanOrEqual(1);
        expect(new Set(states)).toEqual(new Set(['closed']));
        expect(left).toBe(0);
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  it('all come back in the end although Redis comes and goes', async () => {
    await fc.assert(
      fc.asyncProperty(story, async (told) => {
        const { states, left } = await tell(told, false);
        expect(new Set(states)).toEqual(new Set(['closed']));
        expect(left).toBe(0);
      }),
      { numRuns: 15 },
    );
  }, 60_000);
});
