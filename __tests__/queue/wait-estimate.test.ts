import type { Load } from '../../lib/queue/backlog';
import { Entry, type Pool } from '../../lib/queue/pool';
import { Pools } from '../../lib/queue/pools';
import type { Resource } from '../../lib/queue/queued-call';
import { type CallOverrides, queuedCall, type TestBucket } from './test-bucket';

let seq = 0;

function entryOf(overrides: CallOverrides = {}): Entry<TestBucket> {
  const callbacks = { started: () => undefined, failed: () => undefined };
  seq += 1;
  return new Entry(queuedCall([], { waitingSince: 0, ...overrides }), callbacks, seq, () => undefined);
}

function poolOf(pools: Pools<TestBucket>, poolKey: string, resources: Resource[]): Pool<TestBucket> {
  return pools.getOrCreate(queuedCall([], { poolKey, resources }));
}

function fill(pool: Pool<TestBucket>, calls: number, overrides: CallOverrides = {}): void {
  for (let n = 0; n < calls; n++) pool.add(entryOf(overrides));
}

const NOTHING: Load = { tokens: 0, requests: 0 };
const ONE_CALL: Load = { tokens: 1000, requests: 1 };

/** The wait of a call of 1000 tokens, or of these, that is not in the queue. */
function waitMs(
  pools: Pools<TestBucket>,
  pool: Pool<TestBucket>,
  { own = NOTHING, now = 0, call = {} }: { own?: Load; now?: number; call?: CallOverrides } = {},
): number {
  const entry = entryOf(call);
  entry.pool = pool;
  return pools.waitEstimator.waitMs(pool, entry, own, now);
}

describe('WaitEstimator', () => {
  test('divides the tokens ahead and the own ones by the refill of all resources', () => {
    const pools = new Pools<TestBucket>();
    const resources = [1, 3].map((tokensPerMs) => ({ tokensPerMs, requestsPerMs: Infinity }));
    const pool = poolOf(pools, 'all', resources);
    expect(waitMs(pools, pool, { own: ONE_CALL })).toBe(250);
    fill(pool, 20);
    expect(waitMs(pools, pool)).toBe(5000);
    expect(waitMs(pools, pool, { own: ONE_CALL })).toBe(5250);
  });

  test('takes the longer of the waits for tokens and for requests', () => {
    const pools = new Pools<TestBucket>();
    const pool = poolOf(pools, 'all', [
      { tokensPerMs: 1, requestsPerMs: 0.5 },
      { tokensPerMs: 1, requestsPerMs: 0.5 },
    ]);
    expect(waitMs(pools, pool, { own: { tokens: 100, requests: 49 } })).toBe(50);
    expect(waitMs(pools, pool, { own: { tokens: 100, requests: 51 } })).toBe(51);
  });

  test('is 0 if nothing is ahead, even without refill, and Infinity as soon as something is', () => {
    const pools = new Pools<TestBucket>();
    const pool = poolOf(pools, 'all', [{ tokensPerMs: 0, requestsPerMs: 0 }]);
    expect(waitMs(pools, pool)).toBe(0);
    expect(waitMs(pools, pool, { own: ONE_CALL })).toBe(Infinity);
    fill(pool, 1);
    expect(waitMs(pools, pool)).toBe(Infinity);
  });

  test('counts the calls of a pool that is added later', () => {
    const pools = new Pools<TestBucket>();
    const here = { tokensPerMs: 1, requestsPerMs: Infinity };
    const pool = poolOf(pools, 'first', [here]);
    expect(waitMs(pools, pool)).toBe(0);
    fill(poolOf(pools, 'second', [here]), 3);
    expect(waitMs(pools, pool)).toBe(3000);
  });
});

describe('WaitEstimator: a pool that can also use other resources', () => {
  function competing(here: Resource, elsewhere: Resource, call: CallOverrides = {}) {
    const pools = new Pools<TestBucket>();
    const narrow = poolOf(pools, 'narrow', [here]);
    fill(poolOf(pools, 'wide', [here, elsewhere]), 20, call);
    return (own: Load) => waitMs(pools, narrow, { own, call });
  }

  test('counts with the share of its tokens that refill here', () => {
    const wait = competing(
      { tokensPerMs: 1, requestsPerMs: Infinity },
      { tokensPerMs: 3, requestsPerMs: Infinity },
    );
    // A quarter of 20 calls of 1000 tokens, and the call itself, at 1 per ms.
    expect(wait(ONE_CALL)).toBe(6000);
  });

  test('counts with the share of its requests that refill here', () => {
    const wait = competing(
      { tokensPerMs: 1000, requestsPerMs: 0.25 },
      { tokensPerMs: 1000, requestsPerMs: 0.75 },
      { promptTokens: 10, outputTokens: 0 },
    );
    // A quarter of 20 calls, and the call itself, at 1 per 4 ms.
    expect(wait({ tokens: 10, requests: 1 })).toBe(24);
  });

  test('counts by the number of resources if the refill elsewhere is unlimited', () => {
    const wait = competing(
      { tokensPerMs: 1, requestsPerMs: Infinity },
      { tokensPerMs: Infinity, requestsPerMs: Infinity },
    );
    // Half of 20 calls of 1000 tokens.
    expect(wait(NOTHING)).toBe(10_000);
  });
});

test('WaitEstimator reads the rates again after 1000 ms, or when the clock has gone back', () => {
  const pools = new Pools<TestBucket>();
  const resource = { tokensPerMs: 1, requestsPerMs: Infinity };
  const pool = poolOf(pools, 'all', [resource]);
  const at = (now: number) => waitMs(pools, pool, { own: ONE_CALL, now });
  expect(at(5000)).toBe(1000);
  resource.tokensPerMs = 2;
  expect([at(5000), at(5999), at(6000)]).toEqual([1000, 1000, 500]);
  resource.tokensPerMs = 4;
  expect([at(6000), at(6999), at(5999)]).toEqual([500, 500, 250]);
});
