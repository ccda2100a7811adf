import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Priority } from '../../lib/call/context';
import { density, WaitQueue } from '../../lib/queue/wait-queue';
import { outcomeOf, queuedCall, TestBucket } from './test-bucket';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const TRACE = join(__dirname, '../../../shared/data/azure_llm_conv_2023.csv.gz');

/** The mulberry32 generator, seeded so that a workload is reproducible. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Length = readonly [prompt: number, output: number];

/**
 * Lengths from the Azure conversation trace of 2023; if the file is missing, log-normal samples with its medians and
 * spread.
 */
function lengthsOf(random: () => number): Length[] {
  if (existsSync(TRACE)) {
    const rows = gunzipSync(readFileSync(TRACE)).toString().trim().split('\n').slice(1);
    return rows.map((row) => row.split(',').map(Number).slice(1) as unknown as Length);
  }
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Array.from({ length: 10_000 }, () => [
    Math.min(14_050, Math.ceil(900 * Math.exp(0.75 * normal()))),
    Math.min(1000, Math.ceil(150 * Math.exp(0.8 * normal()))),
  ]);
}

function priorityOf(draw: number): Priority {
  if (draw < 0.1) return 5;
  if (draw < 0.3) return 4;
  if (draw < 0.7) return 3;
  return draw < 0.9 ? 2 : 1;
}

interface Outcome {
  readonly priority: Priority;
  readonly inTime: boolean;
}

/** Poisson arrivals at `overload` times the refill rate of one token bucket. Deadlines grow with the length of the output. */
async function simulate(seed: number, overload: number, seconds: number) {
  const random = randomFrom(seed);
  const lengths = lengthsOf(random);
  const tokensPerMs = 20;
  const bucket = new TestBucket(tokensPerMs, tokensPerMs * 10_000);
  const queue = new WaitQueue<TestBucket>({ maxSize: 10_000, maxBytes: Infinity });
  const offset = Math.floor(random() * lengths.length);
  const sample = Array.from({ length: 2000 }, (_, i) => lengths[(offset + i) % lengths.length]!);
  const mean = sample.reduce((sum, [prompt, output]) => sum + prompt + 1.8 * output, 0) / sample.length;
  const perMs = (overload * tokensPerMs) / mean;
  const ends: Promise<Outcome>[] = [];
  const start = performance.now();
  let clock = 0;
  for (let i = 0; clock < seconds * 1000; i++) {
    const gap = -Math.log(1 - random()) / perMs;
    await jest.advanceTimersByTimeAsync(Math.floor(clock + gap) - Math.floor(clock));
    clock += gap;
    const [promptTokens, answer] = sample[i % sample.length]!;
    const outputTokens = Math.ceil(answer * (1.1 + 1.4 * random()));
    const priority = priorityOf(random());
    const serviceMs = 500 + 0.06 * promptTokens + 13 * answer;
    const deadlineAt = performance.now() + (3000 + 60 * answer) * (1 + random());
    const call = queuedCall([bucket], { priority, promptTokens, outputTokens, serviceMs, deadlineAt });
    const tokens = promptTokens + outputTokens;
    const own = density(priority, promptTokens, outputTokens);
    if (!queue.mustWait(own, bucket) && bucket.tryTake(tokens)) {
      ends.push(Promise.resolve({ priority, inTime: true }));
    } else {
      const end = outcomeOf(queue.waitForSlot(call));
      ends.push(
        end.then(({ started, at }) => ({ priority, inTime: started && at + serviceMs <= deadlineAt })),
      );
    }
  }
  const used = bucket.admitted / (bucket.depth + (performance.now() - start) * tokensPerMs);
  await jest.advanceTimersByTimeAsync(200_000);
  return { outcomes: await Promise.all(ends), left: queue.size, used };
}

function shareInTime(outcomes: readonly Outcome[], priority: Priority): number {
  const calls = outcomes.filter((outcome) => outcome.priority === priority);
  return calls.filter(({ inTime }) => inTime).length / calls.length;
}

test('WaitQueue: at 2.6 times the capacity, at least 94 % of priority 5 calls finish in time and over 95 % of the quota is used', async () => {
  for (const seed of [1, 2, 3]) {
    const { outcomes, left, used } = await simulate(seed, 2.6, 120);
    const shares = ([5, 4, 3, 2, 1] as const).map((priority) => shareInTime(outcomes, priority));
    expect(shares[0]).toBeGreaterThanOrEqual(0.94);
    expect(shares).toEqual([...shares].sort((a, b) => b - a));
    expect(left).toBe(0);
    expect(used).toBeGreaterThan(0.95);
  }
});

test('WaitQueue: below capacity, every call finishes in time', async () => {
  const { outcomes } = await simulate(4, 0.7, 60);
  expect(outcomes.every(({ inTime }) => inTime)).toBe(true);
});
