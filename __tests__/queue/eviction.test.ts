import type { Priority } from '../../lib/call/context';
import { EvictionPolicy } from '../../lib/queue/eviction';
import { Entry } from '../../lib/queue/pool';
import { queuedCall, type TestBucket } from './test-bucket';

let seq = 0;

function entry(tenant: string, priority: Priority, promptTokens: number): Entry<TestBucket> {
  seq += 1;
  const call = queuedCall([], { tenant, priority, promptTokens, outputTokens: 0, waitingSince: 0 });
  const ignore = () => undefined;
  return new Entry(call, { started: ignore, failed: ignore }, seq, ignore);
}

function policyOf(...entries: Entry<TestBucket>[]) {
  const policy = new EvictionPolicy<TestBucket>('inEviction');
  for (const each of entries) policy.add(each);
  return policy;
}

test('EvictionPolicy: it knows which calls it holds, and how many of each priority', () => {
  const small = entry('a', 5, 200);
  const policy = policyOf(small, entry('b', 2, 400));
  expect([policy.has(small), policy.size, policy.sizeOf(5), policy.sizeOf(1)]).toEqual([true, 2, 1, 0]);
  const other = new EvictionPolicy<TestBucket>('inLargeEviction');
  expect(other.has(small)).toBe(false);
  other.remove(small);
  expect(other.size).toBe(0);
  policy.remove(small);
  policy.remove(small);
  expect([policy.has(small), policy.size, policy.sizeOf(5)]).toEqual([false, 1, 0]);
});

test('EvictionPolicy: even the densest call is the victim where it is the only one; an empty policy has none', () => {
  const densest = entry('a', 5, 200);
  const policy = policyOf(densest);
  expect(policy.victim).toBe(densest);
  policy.remove(densest);
  expect(policy.victim).toBeUndefined();
});

test('EvictionPolicy: the priority of the least dense call is chosen, whatever arrived after it', () => {
  const large = entry('a', 1, 100_000);
  const middle = entry('a', 2, 10_000);
  const policy = policyOf(large, entry('a', 1, 200), middle);
  expect(policy.victim).toBe(large);
  policy.remove(large);
  expect(policy.victim).toBe(middle);
});

test('EvictionPolicy: of two priorities whose least dense calls are equally dense, the lower one is chosen', () => {
  const low = entry('a', 1, 200);
  expect(policyOf(entry('a', 2, 500), low).victim).toBe(low);
});

test('EvictionPolicy: the tenant with the most calls loses its call of the lowest rank, the newest among equals', () => {
  const a = [entry('a', 3, 1000), entry('a', 3, 1000), entry('a', 3, 1000)] as const;
  const b = [entry('b', 3, 5000), entry('b', 3, 4000)] as const;
  const policy = policyOf(...b, ...a);
  expect(policy.victim).toBe(a[2]);
  policy.remove(a[2]);
  expect(policy.victim).toBe(b[0]);
  policy.remove(b[0]);
  expect(policy.victim).toBe(a[1]);
  policy.remove(a[1]);
  expect(policy.victim).toBe(b[1]);
});
