import { Entry } from '../../lib/queue/pool';
import { QueueLimits } from '../../lib/queue/queue-limits';
import { type CallOverrides, queuedCall, type TestBucket } from './test-bucket';

/** 4 calls of 1000 bytes together: a call of more than 250 bytes counts as large. */
function limitsOf(options = { maxSize: 4, maxBytes: 1000 }) {
  return new QueueLimits<TestBucket>(options);
}

let seq = 0;

function entryOf(overrides: CallOverrides): Entry<TestBucket> {
  const callbacks = { started: () => undefined, failed: () => undefined };
  seq += 1;
  return new Entry(queuedCall([], { waitingSince: 0, ...overrides }), callbacks, seq, () => undefined);
}

describe('QueueLimits: too many bytes', () => {
  test('exactly maxBytes are within the limit; one more evicts a call of more than the average share', () => {
    const limits = limitsOf();
    const average = entryOf({ bodyBytes: 250, priority: 1 });
    const large = entryOf({ bodyBytes: 251, priority: 4 });
    for (const entry of [average, large, entryOf({ bodyBytes: 499, priority: 5 })]) limits.add(entry);
    expect(limits.overflow).toBeUndefined();
    limits.add(entryOf({ bodyBytes: 1, priority: 1 }));
    expect(limits.overflow).toEqual({
      entry: large,
      reason: 'the wait queue is full (1000 bytes of bodies)',
    });
  });

  test('a call that leaves takes its bytes with it', () => {
    const limits = limitsOf();
    const first = entryOf({ bodyBytes: 900 });
    limits.add(first);
    limits.remove(first);
    limits.add(entryOf({ bodyBytes: 900 }));
    expect(limits.overflow).toBeUndefined();
    expect(limits.size).toBe(1);
    limits.add(entryOf({ bodyBytes: 101, priority: 5 }));
    expect(limits.overflow?.entry.bodyBytes).toBe(900);
  });

  test('after a reload with a lower maxBytes, the least dense call is evicted if none counted as large', () => {
    const options = { maxSize: 4, maxBytes: 1000 };
    const limits = limitsOf(options);
    const low = entryOf({ bodyBytes: 60, priority: 2 });
    limits.add(low);
    limits.add(entryOf({ bodyBytes: 60, priority: 3 }));
    options.maxBytes = 120;
    expect(limits.overflow).toBeUndefined();
    options.maxBytes = 119;
    expect(limits.overflow?.entry).toBe(low);
  });
});

describe('QueueLimits: too many calls', () => {
  test('exactly maxSize calls are within the limit; one more evicts the least dense, however small its body', () => {
    const limits = limitsOf();
    const low = entryOf({ priority: 1 });
    limits.add(low);
    for (let n = 0; n < 3; n++) limits.add(entryOf({ bodyBytes: 300 }));
    expect(limits.overflow).toBeUndefined();
    limits.add(entryOf({}));
    expect(limits.overflow).toEqual({ entry: low, reason: 'the wait queue is full (4 calls)' });
  });
});

describe('QueueLimits: which calls may enter', () => {
  test('a body of maxBytes may enter an empty queue, a larger one may not', () => {
    const limits = limitsOf();
    expect(limits.reasonToRefuse(entryOf({ bodyBytes: 1000, priority: 1 }))).toBeUndefined();
    expect(limits.reasonToRefuse(entryOf({ bodyBytes: 1001, priority: 5 }))).toBe(
      'the body (about 1001 bytes) is larger than all bodies in the wait queue may be (1000 bytes)',
    );
  });

  test('a call that fits may enter, even if it is the least dense', () => {
    const limits = limitsOf();
    for (let n = 0; n < 3; n++) limits.add(entryOf({ bodyBytes: 300 }));
    expect(limits.reasonToRefuse(entryOf({ bodyBytes: 100, priority: 1 }))).toBeUndefined();
    expect(limits.size).toBe(3);
  });

  test('at maxSize, a denser call may enter and a less dense one is refused', () => {
    const limits = limitsOf();
    for (let n = 0; n < 4; n++) limits.add(entryOf({}));
    expect(limits.reasonToRefuse(entryOf({ priority: 4 }))).toBeUndefined();
    expect(limits.reasonToRefuse(entryOf({ priority: 2 }))).toBe('the wait queue is full (4 calls)');
    expect(limits.size).toBe(4);
  });

  test('with too many bytes, a denser call may enter and a less dense one is refused', () => {
    const limits = limitsOf();
    limits.add(entryOf({ bodyBytes: 700 }));
    const enters = (priority: 2 | 4) => limits.reasonToRefuse(entryOf({ bodyBytes: 301, priority }));
    expect(enters(4)).toBeUndefined();
    expect(enters(2)).toBe('the wait queue is full (1000 bytes of bodies)');
    expect(limits.victim?.bodyBytes).toBe(700);
  });

  test('the question changes nothing: the same calls wait with the same bytes', () => {
    const limits = limitsOf();
    const low = entryOf({ bodyBytes: 300, priority: 2 });
    const high = entryOf({ bodyBytes: 700, priority: 5 });
    limits.add(low);
    limits.add(high);
    // It would take the place of the first, but not of the second.
    const refused = entryOf({ bodyBytes: 400, priority: 3 });
    expect(limits.reasonToRefuse(refused)).toMatch(/full/);
    expect([limits.has(low), limits.has(high), limits.has(refused)]).toEqual([true, true, false]);
    expect(limits.overflow).toBeUndefined();
    limits.add(entryOf({ bodyBytes: 1, priority: 5 }));
    expect(limits.overflow?.entry).toBe(low);
  });
});
