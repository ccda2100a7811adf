import type { Priority } from '../../lib/call/context';
import { Drain } from '../../lib/queue/drain';
import { Entry } from '../../lib/queue/pool';
import { Pools } from '../../lib/queue/pools';
import type { QueuedCall, Resource, StartResult } from '../../lib/queue/queued-call';
import { queuedCall, TestBucket } from './test-bucket';

const NOW = 1000;
const ignore = () => undefined;

type Try = (isHeld: (resource: Resource) => boolean) => StartResult<TestBucket>;

/** A queue of which only the drain is real. `ended` lists how its calls left, `tries` which calls were tried. */
function testQueue() {
  const pools = new Pools<TestBucket>();
  const ended: string[] = [];
  const tries: number[] = [];
  const leave = (entry: Entry<TestBucket>, how: string) => {
    ended.push(how);
    entry.pool?.remove(entry);
    entry.fail(new Error(how));
  };
  const drain = new Drain<TestBucket>(pools, {
    started: (entry) => leave(entry, 'started'),
    failed: (entry) => leave(entry, 'failed'),
    tooLate: (entry, waitMs) => leave(entry, `too late: ${waitMs}`),
  });
  let seq = 0;
  const add = (buckets: TestBucket[], tryStart: Try, overrides: Partial<QueuedCall<TestBucket>> = {}) => {
    seq += 1;
    const id = seq;
    const call = queuedCall(buckets, {
      waitingSince: 0,
      ...overrides,
      tryStart: (isHeld) => {
        tries.push(id);
        return tryStart(isHeld);
      },
    });
    const entry = new Entry(call, { started: ignore, failed: ignore }, id, ignore);
    pools.getOrCreate(call).add(entry);
    return entry;
  };
  return { add, leave, ended, tries, run: () => drain.run(NOW) };
}

function waits(waitMs: number, on?: Resource): Try {
  return () => ({ kind: 'waiting', waitMs, ...(on && { on }) });
}

const bucket = new TestBucket(1);
const start: Try = () => ({ kind: 'started', slot: bucket });

test.each<[string, Try, number]>([
  ['starts', start, Infinity],
  ['fails', () => ({ kind: 'hopeless', error: new Error('hopeless') }), Infinity],
  ['sheds', waits(50), NOW + 49],
])(
  'Drain: one drain %s at most 512 calls, and the next one is due at once',
  (_what, tryStart, deadlineAt) => {
    const { add, ended, run } = testQueue();
    for (let i = 0; i < 513; i++) add([bucket], tryStart, { deadlineAt });
    expect([run(), ended.length]).toEqual([NOW, 512]);
    expect([run(), ended.length]).toEqual([Infinity, 513]);
  },
);

test('Drain: it returns the earliest time at which a blocked call could start', () => {
  const { add, run } = testQueue();
  const later = add([bucket], waits(30), { poolKey: 'later' });
  const sooner = add([bucket], waits(20), { poolKey: 'sooner' });
  expect(run()).toBe(NOW + 20);
  expect([later.pool?.opensAt, sooner.pool?.opensAt]).toEqual([NOW + 30, NOW + 20]);
  add([bucket], waits(-5), { poolKey: 'overdue' });
  expect(run()).toBe(NOW);
});

test('Drain: a closed pool is not tried until it opens; an empty one is not asked', () => {
  const { add, leave, tries, run } = testQueue();
  const closed = add([bucket], start, { closedMs: () => 40 });
  expect([run(), closed.pool?.opensAt, tries]).toEqual([NOW + 40, NOW + 40, []]);
  leave(closed, 'aborted');
  expect([run(), closed.pool?.opensAt]).toEqual([Infinity, Infinity]);
});

test('Drain: a blocked call holds its resource against lower ranks, and who waits because of it is not too late', () => {
  const { add, ended, run } = testQueue();
  const [a, b] = [new TestBucket(1), new TestBucket(1)] as const;
  const held: boolean[][] = [];
  const asks: Try = (isHeld) => {
    held.push([isHeld(a), isHeld(b)]);
    return { kind: 'waiting', waitMs: 500 };
  };
  add([a, b], asks, { priority: 5, poolKey: 'first', deadlineAt: NOW + 500 });
  add([a], waits(100, a), { priority: 4, poolKey: 'second' });
  add([a, b], asks, { priority: 1, poolKey: 'third', deadlineAt: NOW + 499 });
  run();
  expect(held).toEqual([
    [false, false],
    [true, false],
  ]);
  expect(ended).toEqual([]);
});

test('Drain: a call is too late if it would start after its latest start, not exactly at it', () => {
  const { add, ended, run } = testQueue();
  add([bucket], waits(500), { poolKey: 'late', deadlineAt: NOW + 499 });
  add([bucket], waits(500), { poolKey: 'in time', deadlineAt: NOW + 500 });
  add([bucket], waits(Infinity), { poolKey: 'unknown', deadlineAt: NOW + 1 });
  run();
  expect(ended).toEqual(['too late: 500']);
});

test('Drain: calls behind a blocked one can take only what it does not hold, and stay in order for the next drain', () => {
  const { add, tries, run } = testQueue();
  const [a, b] = [new TestBucket(1), new TestBucket(1)] as const;
  const held: boolean[][] = [];
  add([a, b], waits(10, a));
  add([a, b], (isHeld) => {
    held.push([isHeld(a), isHeld(b)]);
    return { kind: 'waiting', waitMs: 10, on: b };
  });
  add([a, b], start);
  run();
  run();
  expect(held).toEqual([
    [true, false],
    [true, false],
  ]);
  expect(tries).toEqual([1, 2, 1, 2]);
});

test.each<[string, Try]>([
  ['hold nothing', waits(10)],
  ['hold what is held already', waits(10, bucket)],
])('Drain: beyond the first call of a lane, four tries of calls that %s are made', (_what, tryStart) => {
  const { add, tries, run } = testQueue();
  for (let i = 0; i < 10; i++) add([bucket, new TestBucket(1)], tryStart);
  run();
  expect(tries).toEqual([1, 2, 3, 4, 5]);
  run();
  expect(tries).toEqual([1, 2, 3, 4, 5, 1, 2, 3, 4, 5]);
});

test('Drain: the lanes of a pool share its four spare tries, and each still tries its first call', () => {
  const { add, tries, run } = testQueue();
  for (const priority of [5, 4] as Priority[])
    for (let i = 0; i < 10; i++) add([bucket, new TestBucket(1)], waits(10), { priority });
  run();
  expect(tries).toEqual([1, 2, 3, 4, 5, 11]);
});

test('Drain: a blocked call that leaves while the drain goes on is not put back', () => {
  const { add, leave, tries, run } = testQueue();
  const first = add([bucket], waits(10));
  add([bucket], () => {
    if (!first.isGone) leave(first, 'aborted');
    return { kind: 'waiting', waitMs: 10 };
  });
  run();
  run();
  expect(tries).toEqual([1, 2, 2]);
});
