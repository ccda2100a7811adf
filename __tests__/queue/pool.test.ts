import { EvictionPolicy } from '../../lib/queue/eviction';
import { Entry } from '../../lib/queue/pool';
import { Pools } from '../../lib/queue/pools';
import type { Resource } from '../../lib/queue/queued-call';
import { type CallOverrides, queuedCall, TestBucket } from './test-bucket';

const ignore = () => undefined;
let seq = 0;

function entryOf(overrides: CallOverrides = {}, failed: (error: Error) => void = ignore): Entry<TestBucket> {
  seq += 1;
  return new Entry(
    queuedCall([], { waitingSince: 0, ...overrides }),
    { started: ignore, failed },
    seq,
    ignore,
  );
}

function poolOf(buckets: TestBucket[], overrides: CallOverrides = {}) {
  return new Pools<TestBucket>().getOrCreate(queuedCall(buckets, overrides));
}

test('Entry: it is in the queue while the eviction policy holds it, and in no policy before', () => {
  const policy = new EvictionPolicy<TestBucket>('inEviction');
  const [first, second] = [entryOf(), entryOf()] as const;
  expect(new EvictionPolicy<TestBucket>('inLargeEviction').has(first)).toBe(false);
  expect(first.isQueued).toBe(false);
  policy.add(first);
  policy.add(second);
  expect([first.isQueued, second.isQueued]).toEqual([true, true]);
  policy.remove(first);
  expect([first.isQueued, second.isQueued]).toEqual([false, true]);
});

test('Entry: it is gone once it has started or failed, and fails only once', () => {
  const errors: string[] = [];
  const failing = entryOf({}, ({ message }) => void errors.push(message));
  expect(failing.isGone).toBe(false);
  failing.fail(new Error('first'));
  failing.fail(new Error('second'));
  expect([failing.isGone, errors]).toEqual([true, ['first']]);
  const starting = entryOf({}, ({ message }) => void errors.push(message));
  starting.start(new TestBucket(1));
  starting.fail(new Error('third'));
  expect([starting.isGone, errors]).toEqual([true, ['first']]);
});

test('workBefore(): all calls at least as dense, capped in the own lane at what the turns of tenants let pass', () => {
  const pool = poolOf([]);
  const other = entryOf({ tenant: 'b' });
  for (let i = 0; i < 3; i++) pool.add(entryOf({ tenant: 'a' }));
  pool.add(other);
  pool.add(entryOf({ tenant: 'a', priority: 5 }));
  const outside = entryOf({ tenant: 'c' });
  expect(pool.workBefore(outside)).toEqual({ tokens: 5000, requests: 5 });
  outside.pool = pool;
  expect(pool.workBefore(outside)).toEqual({ tokens: 3000, requests: 3 });
  const second = entryOf({ tenant: 'b' });
  second.pool = pool;
  expect(pool.workBefore(second)).toEqual({ tokens: 4000, requests: 4 });
  new EvictionPolicy<TestBucket>('inEviction').add(other);
  expect(pool.workBefore(other)).toEqual({ tokens: 3000, requests: 3 });
});

test('findOpen(): the time at which the first closed resource opens; a call may start on the open ones', () => {
  const buckets = [new TestBucket(1), new TestBucket(2), new TestBucket(3)];
  const ms = new Map<Resource, number>(buckets.map((bucket, i) => [bucket, [100, 40, 0][i] as number]));
  const pool = poolOf(buckets, { closedMs: (resource) => ms.get(resource) ?? 0 });
  expect(pool.findOpen(1000)).toBe(1040);
  expect(pool.isAllHeld(0)).toBe(false);
  pool.resources[2]!.heldBy = 0;
  expect(pool.isAllHeld(0)).toBe(true);
  expect(pool.isAllHeld(0.1)).toBe(false);
  ms.set(buckets[2]!, 7);
  expect(pool.findOpen(1000)).toBe(1007);
  expect(pool.isAllHeld(1)).toBe(true);
  for (const bucket of buckets) ms.set(bucket, 0);
  expect(pool.findOpen(1000)).toBe(Infinity);
});

test('isAllHeld(): a pool without resources is never held', () => {
  expect(poolOf([]).isAllHeld(0)).toBe(false);
});
