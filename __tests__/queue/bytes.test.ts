import fc from 'fast-check';
import type { Priority } from '../../lib/call/context';
import { estimateBodyBytes } from '../../lib/queue/body-size';
import { WaitQueue } from '../../lib/queue/wait-queue';
import { BODY, Rig, silence, until } from '../failover/upstream';
import { type CallOverrides, outcomeOf, queuedCall, TestBucket } from './test-bucket';

const MB = 1_000_000;
const IMAGE = { url: `data:image/png;base64,${'A'.repeat(9.9 * MB)}` };
const IMAGE_BODY = {
  ...BODY,
  messages: [{ role: 'user' as const, content: [{ type: 'image_url' as const, image_url: IMAGE }] }],
};

describe('estimateBodyBytes', () => {
  it('counts the lengths of strings and keys', () => {
    expect(estimateBodyBytes({ content: 'x'.repeat(1000) })).toBeGreaterThan(1000);
    expect(estimateBodyBytes({ content: 'x'.repeat(1000) })).toBeLessThan(1100);
    expect(estimateBodyBytes(IMAGE_BODY)).toBeGreaterThan(9.9 * MB);
    expect(estimateBodyBytes({ input: [Array.from({ length: 1000 }, () => 7)] })).toBeGreaterThan(8000);
  });

  it('is within the length of the JSON text and 24 bytes per value, for any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const bytes = estimateBodyBytes(value);
        let values = 0;
        JSON.stringify(value, (_key, item: unknown) => {
          values += 1;
          return item;
        });
        expect(bytes).toBeGreaterThan(0);
        expect(bytes).toBeLessThanOrEqual(JSON.stringify(value).length + 24 * values);
      }),
    );
  });

  it('takes less than 5 ms for a body of 10 MB and one of a million token numbers', () => {
    const numbers = { input: Array.from({ length: 1_000_000 }, (_, n) => n) };
    for (const body of [IMAGE_BODY, numbers]) {
      estimateBodyBytes(body);
      const start = performance.now();
      estimateBodyBytes(body);
      expect(performance.now() - start).toBeLessThan(5);
    }
  });
});

describe('WaitQueue at maxBytes', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  function open(maxBytes: number, maxSize = 10) {
    const queue = new WaitQueue<TestBucket>({ maxSize, maxBytes });
    const bucket = new TestBucket(1, 10_000, 0);
    const enter = (bodyBytes: number, overrides: CallOverrides = {}) =>
      outcomeOf(queue.waitForSlot(queuedCall([bucket], { bodyBytes, ...overrides })));
    return { queue, enter };
  }

  it('evicts the least dense call with a large body, and no call with a small one', async () => {
    const { queue, enter } = open(1000);
    void enter(50, { priority: 1 });
    const low = enter(500, { priority: 2 });
    void enter(400, { priority: 3 });
    void enter(450, { priority: 5 });
    expect(await low).toMatchObject({ code: 'ERR_AI_SATURATED', retryAfterMs: expect.any(Number) as number });
    expect(queue.byPriority()).toEqual({ 1: 1, 2: 0, 3: 1, 4: 0, 5: 1 });
    queue.rejectAll(new Error('done'));
  });

  it('refuses a new large call that is less dense than the others', async () => {
    const { queue, enter } = open(1000);
    void enter(900, { priority: 3 });
    expect(await enter(200, { priority: 2 })).toMatchObject({ code: 'ERR_AI_SATURATED' });
    expect(queue.size).toBe(1);
    queue.rejectAll(new Error('done'));
  });

  it('refuses a call that alone exceeds the limit without evicting others', async () => {
    const { queue, enter } = open(1000);
    void enter(900, { priority: 1 });
    expect(await enter(1001, { priority: 5 })).toMatchObject({ code: 'ERR_AI_SATURATED' });
    expect(queue.size).toBe(1);
    queue.rejectAll(new Error('done'));
  });

  it('never holds more bytes than allowed, for random calls', () => {
    const spec = fc.record({
      bodyBytes: fc.integer({ min: 0, max: 1200 }),
      priority: fc.integer({ min: 1, max: 5 }),
      tenant: fc.integer({ min: 0, max: 2 }),
      aborts: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(spec, { maxLength: 60 }), (specs) => {
        const { queue } = open(1000, 20);
        const waiting = new Set<number>();
        const aborts: (() => void)[] = [];
        specs.forEach(({ bodyBytes, priority, tenant, aborts: isAborted }, index) => {
          const controller = new AbortController();
          waiting.add(index);
          const overrides = {
            priority: priority as Priority,
            tenant: `${tenant}`,
            signal: controller.signal,
          };
          const call = queuedCall([new TestBucket(1, 1000, 0)], { bodyBytes, ...overrides });
          queue.enqueue(call, { started: () => undefined, failed: () => waiting.delete(index) });
          if (isAborted) aborts.push(() => controller.abort());
          else if (aborts.length > 2) aborts.shift()!();
          const held = [...waiting].reduce((sum, each) => sum + specs[each]!.bodyBytes, 0);
          expect(held).toBeLessThanOrEqual(1000);
          expect(queue.size).toBe(waiting.size);
        });
        queue.rejectAll(new Error('done'));
        expect(queue.size).toBe(0);
      }),
    );
  });
});

describe('Balancer with queue.maxBytes', () => {
  const rig = new Rig();

  it('keeps as many 9.9 MB images waiting as fit and sheds the others, while small calls still enter', async () => {
    const { balancer } = await rig.start(
      { a: silence },
      { queue: { maxBytes: 50 * MB }, hedge: false, each: { a: { maxConcurrent: 1 } } },
    );
    const caller = new AbortController();
    const options = { signal: caller.signal };
    const codes: unknown[] = [];
    const send = (body: typeof BODY | typeof IMAGE_BODY, more = {}) =>
      balancer
        .chat(body, { ...options, ...more })
        .catch((error: unknown) => codes.push((error as { code: string }).code));
    const calls = [send(BODY)];
    await until(() => balancer.stats().endpoints[0]!.inFlight === 1);
    for (let n = 0; n < 12; n++) calls.push(send(IMAGE_BODY));
    await until(() => codes.length === 7);
    expect(codes).toEqual(Array.from({ length: 7 }, () => 'ERR_AI_SATURATED'));
    expect(balancer.stats().queue.size).toBe(5);
    calls.push(send(BODY, { priority: 1 }));
    await until(() => balancer.stats().queue.size === 6);
    caller.abort();
    await Promise.all(calls);
    expect(balancer.stats().queue.size).toBe(0);
  });
});
