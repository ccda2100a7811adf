import type { Pool, Entry as QueueEntry } from '../../lib/queue/pool';
import { Entry } from '../../lib/queue/pool';
import { Pools } from '../../lib/queue/pools';
import { type CallOverrides, queuedCall, TestBucket } from './test-bucket';

const ignore = () => undefined;
let seq = 0;

function enter(
  pools: Pools<TestBucket>,
  buckets: TestBucket[],
  overrides: CallOverrides = {},
): { entry: QueueEntry<TestBucket>; pool: Pool<TestBucket> } {
  seq += 1;
  const call = queuedCall(buckets, { waitingSince: 0, ...overrides });
  const entry = new Entry(call, { started: ignore, failed: ignore }, seq, ignore);
  const pool = pools.getOrCreate(call);
  pool.add(entry);
  return { entry, pool };
}

test('Pools: sweep() removes empty pools and the resources that only they use', () => {
  const pools = new Pools<TestBucket>();
  const [a, b] = [new TestBucket(1), new TestBucket(1)] as const;
  const one = enter(pools, [a], { poolKey: 'one' });
  const both = enter(pools, [a, b], { poolKey: 'both' });
  expect(pools.getOrCreate(both.entry.call)).toBe(both.pool);
  both.pool.remove(both.entry);
  expect([...pools.values()]).toEqual([one.pool, both.pool]);
  pools.sweep();
  expect([...pools.values()]).toEqual([one.pool]);
  expect(pools.contestedResource(b)).toBeUndefined();
  expect([...pools.contestedResources()].map(({ resource }) => resource)).toEqual([a]);
  expect([...pools.contestedResource(a)!.pools]).toEqual([one.pool]);
  one.pool.remove(one.entry);
  pools.sweep();
  expect([[...pools.values()], [...pools.contestedResources()]]).toEqual([[], []]);
});

test('Pools: a new resource is held by no call', () => {
  const pools = new Pools<TestBucket>();
  const bucket = new TestBucket(1);
  const { pool } = enter(pools, [bucket]);
  expect(pools.contestedResource(bucket)?.heldBy).toBe(-Infinity);
  expect(pool.isAllHeld(0)).toBe(false);
});

test('isWaitedFor(): a resource is waited for while a call is in one of its pools', () => {
  const pools = new Pools<TestBucket>();
  const [a, b] = [new TestBucket(1), new TestBucket(1)] as const;
  const { entry, pool } = enter(pools, [a]);
  expect([pools.isWaitedFor(a), pools.isWaitedFor(b)]).toEqual([true, false]);
  pool.remove(entry);
  expect(pools.isWaitedFor(a)).toBe(false);
});

test('comesBefore(): a waiting call of an equal or higher rank comes first, in any priority', () => {
  const pools = new Pools<TestBucket>();
  const bucket = new TestBucket(1);
  expect(pools.comesBefore(0, bucket)).toBe(false);
  const { entry, pool } = enter(pools, [bucket], { priority: 4 });
  expect(pools.comesBefore(entry.rank, bucket)).toBe(true);
  expect(pools.comesBefore(entry.rank + 0.1, bucket)).toBe(false);
  pool.remove(entry);
  expect(pools.comesBefore(-1000, bucket)).toBe(false);
});

test('comesBefore(): with fairness, waiting calls of other tenants with the same priority come first', () => {
  const pools = new Pools<TestBucket>();
  const bucket = new TestBucket(1);
  enter(pools, [bucket], { tenant: 'a' });
  expect(pools.comesBefore(100, bucket, { priority: 3, tenant: 'a' })).toBe(false);
  expect(pools.comesBefore(100, bucket, { priority: 3, tenant: 'b' })).toBe(true);
  expect(pools.comesBefore(100, bucket, { priority: 4, tenant: 'b' })).toBe(false);
  enter(pools, [bucket], { tenant: 'b' });
  expect(pools.comesBefore(100, bucket, { priority: 3, tenant: 'a' })).toBe(true);
});
