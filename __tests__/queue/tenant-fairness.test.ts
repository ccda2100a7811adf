import fc from 'fast-check';
import { WaitQueue } from '../../lib/queue/wait-queue';
import { queuedCall, TestBucket } from './test-bucket';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test('WaitQueue: tenants with waiting calls of equal priority are served the same number of tokens, to within one call', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.array(
          fc.record({ prompt: fc.integer({ min: 1, max: 4000 }), output: fc.integer({ min: 1, max: 1000 }) }),
          { minLength: 25, maxLength: 25 },
        ),
        { minLength: 2, maxLength: 5 },
      ),
      async (tenants) => {
        const queue = new WaitQueue<TestBucket>({ maxSize: 1000, maxBytes: Infinity });
        const bucket = new TestBucket(20, 20_000, 0);
        const left = tenants.map((calls) => calls.length);
        const served = tenants.map(() => 0);
        let widest = 0;
        tenants.forEach((calls, tenant) => {
          for (const { prompt, output } of calls) {
            const call = queuedCall([bucket], {
              tenant: `t${tenant}`,
              promptTokens: prompt,
              outputTokens: output,
            });
            void queue.waitForSlot(call).then(() => {
              left[tenant]! -= 1;
              served[tenant]! += prompt + 2 * output;
              if (left.every((calls) => calls > 0))
                widest = Math.max(widest, Math.max(...served) - Math.min(...served));
            });
          }
        });
        await jest.advanceTimersByTimeAsync(60_000);
        expect(left).toEqual(tenants.map(() => 0));
        expect(widest).toBeLessThanOrEqual(4000 + 2 * 1000);
        expect(widest).toBeGreaterThan(0);
      },
    ),
    { numRuns: 25 },
  );
});

test('WaitQueue: a flood of small calls does not starve the large calls of another tenant', async () => {
  const queue = new WaitQueue<TestBucket>({ maxSize: 10_000, maxBytes: Infinity });
  const bucket = new TestBucket(1, 10_000, 0);
  let large = 0;
  for (let i = 0; i < 10; i++) {
    void queue
      .waitForSlot(queuedCall([bucket], { tenant: 'victim', promptTokens: 2000 }))
      .then(() => (large += 1));
  }
  for (let i = 0; i < 600; i++) {
    for (let n = 0; n < 5; n++) {
      queue.waitForSlot(queuedCall([bucket], { tenant: 'flood', promptTokens: 100 })).catch(() => undefined);
    }
    await jest.advanceTimersByTimeAsync(100);
  }
  // The bucket refills 60,000 tokens. The fair share is 30,000, and ten calls of 2,100 tokens take 21,000.
  expect(large).toBe(10);
  queue.rejectAll(new Error('done'));
});

test('WaitQueue: a tenant that joins later earns no credit for its idle time and gets an equal share from then on', async () => {
  const queue = new WaitQueue<TestBucket>({ maxSize: 10_000, maxBytes: Infinity });
  const bucket = new TestBucket(10, 10_000, 0);
  const served = { steady: 0, late: 0 };
  const enter = (tenant: 'steady' | 'late', calls: number) => {
    for (let i = 0; i < calls; i++) {
      queue.waitForSlot(queuedCall([bucket], { tenant })).then(
        () => (served[tenant] += 1),
        () => undefined,
      );
    }
  };
  enter('steady', 200);
  await jest.advanceTimersByTimeAsync(10_000);
  const before = served.steady;
  expect(before).toBeGreaterThan(90);
  enter('late', 200);
  await jest.advanceTimersByTimeAsync(4000);
  expect(Math.abs(served.steady - before - served.late)).toBeLessThanOrEqual(1);
  queue.rejectAll(new Error('done'));
});

test('WaitQueue: a tenant that sends one call at a time gets its fair share and no more', async () => {
  const queue = new WaitQueue<TestBucket>({ maxSize: 10_000, maxBytes: Infinity });
  const bucket = new TestBucket(10, 10_000, 0);
  const served: Record<string, number> = {};
  const count = (tenant: string) => (served[tenant] = (served[tenant] ?? 0) + 1);
  for (let i = 0; i < 300; i++) {
    for (const tenant of ['a', 'b', 'c']) {
      queue.waitForSlot(queuedCall([bucket], { tenant })).then(
        () => count(tenant),
        () => undefined,
      );
    }
  }
  let isOver = false;
  const oneByOne = async () => {
    while (!isOver) {
      await queue.waitForSlot(queuedCall([bucket], { tenant: 'sequential', promptTokens: 800 }));
      count('sequential');
    }
  };
  oneByOne().catch(() => undefined);
  await jest.advanceTimersByTimeAsync(40_000);
  isOver = true;
  queue.rejectAll(new Error('done'));
  const share = served.sequential! / (served.a! + served.b! + served.c! + served.sequential!);
  expect(share).toBeGreaterThan(0.2);
  expect(share).toBeLessThan(0.3);
});

test('WaitQueue: tenant fairness applies only within a priority, so calls of priority 5 start before other tenants get their turn', async () => {
  const queue = new WaitQueue<TestBucket>({ maxSize: 100, maxBytes: Infinity });
  const bucket = new TestBucket(1, 10_000, 0);
  const order: string[] = [];
  const enter = (name: string, tenant: string, priority: 3 | 5) =>
    void queue.waitForSlot(queuedCall([bucket], { tenant, priority })).then(() => order.push(name));
  enter('normal', 'b', 3);
  enter('urgent 1', 'a', 5);
  enter('urgent 2', 'a', 5);
  await jest.advanceTimersByTimeAsync(5000);
  expect(order).toEqual(['urgent 1', 'urgent 2', 'normal']);
});
