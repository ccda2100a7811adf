import { createBalancer } from 'express-ai-balancer';
import fc from 'fast-check';
import type { Priority } from '../../lib/call/context';
import { estimateBodyBytes } from '../../lib/queue/body-size';
import { WaitQueue } from '../../lib/queue/wait-queue';
import { BODY, KEY, Rig, silence, Upstream, until } from '../failover/upstream';
import { type CallOverrides, outcomeOf, queuedCall, TestBucket } from './test-bucket';

const MB = 1_000_000;
const IMAGE_URL = `data:image/png;base64,${'A'.repeat(MB)}`;
const IMAGE_BODY = {
  ...BODY,
  messages: [
    { role: 'user' as const, content: [{ type: 'image_url' as const, image_url: { url: IMAGE_URL } }] },
  ],
};

describe('estimateBodyBytes', () => {
  it('counts the lengths of strings and keys, and 8 bytes for every value', () => {
    expect(estimateBodyBytes({ content: 'x'.repeat(1000) })).toBe(8 + 7 + 8 + 1000);
    expect(estimateBodyBytes({ input: [[1, 2, 'abc', null, true]] })).toBe(8 + 5 + 8 + 8 + 5 * 8 + 3);
    expect(estimateBodyBytes({ file: new Uint8Array(1000) })).toBe(8 + 4 + 8 + 1000);
    expect(estimateBodyBytes(IMAGE_BODY)).toBeGreaterThan(MB);
  });

  it('differs from the length of the JSON text by at most 24 bytes per value, escapes aside, for any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        let values = 0;
        let escaped = 0;
        JSON.stringify(value, (key, item: unknown) => {
          values += 1;
          for (const text of [key, item])
            if (typeof text === 'string') escaped += JSON.stringify(text).length - text.length - 2;
          return item;
        });
        const difference = JSON.stringify(value).length - escaped - estimateBodyBytes(value);
        expect(Math.abs(difference)).toBeLessThanOrEqual(24 * values);
      }),
    );
  });

  it('is not recursive, and stops after a million values', () => {
    let nested: unknown[] = [];
    for (let depth = 0; depth < 100_000; depth++) nested = [nested];
    expect(estimateBodyBytes(nested)).toBe(100_001 * 8);
    const cycle: { self?: unknown; again?: unknown } = {};
    cycle.self = cycle.again = cycle;
    expect(estimateBodyBytes(cycle)).toBeLessThan(20 * MB);
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

  it('evicts as many calls as the bytes of a denser one require', async () => {
    const { queue, enter } = open(1000);
    const low = [300, 300, 300].map((bytes) => enter(bytes, { priority: 2 }));
    void enter(600, { priority: 5 });
    expect(queue.byPriority()).toEqual({ 1: 0, 2: 1, 3: 0, 4: 0, 5: 1 });
    for (const evicted of low.slice(1)) expect(await evicted).toMatchObject({ code: 'ERR_AI_SATURATED' });
    queue.rejectAll(new Error('done'));
  });

  it('refuses a new large call that is less dense than the others', async () => {
    const { queue, enter } = open(1000);
    void enter(900, { priority: 3 });
    expect(await enter(200, { priority: 2 })).toMatchObject({ code: 'ERR_AI_SATURATED' });
    expect(queue.byPriority()[3]).toBe(1);
    queue.rejectAll(new Error('done'));
  });

  it('refuses a call without evicting others if even their eviction would not make room for it', async () => {
    const { queue, enter } = open(1000);
    void enter(200, { priority: 1 });
    void enter(700, { priority: 5 });
    expect(await enter(400, { priority: 3 })).toMatchObject({ code: 'ERR_AI_SATURATED' });
    void enter(100, { priority: 1 });
    expect(await enter(1001, { priority: 5 })).toMatchObject({ code: 'ERR_AI_SATURATED' });
    expect(queue.byPriority()).toEqual({ 1: 2, 2: 0, 3: 0, 4: 0, 5: 1 });
    queue.rejectAll(new Error('done'));
  });

  it('is full in a message that names the limit', async () => {
    const { queue } = open(1000);
    const call = (bodyBytes: number) => queuedCall([new TestBucket(1, 10_000, 0)], { bodyBytes });
    queue.waitForSlot(call(900)).catch(() => undefined);
    await expect(queue.waitForSlot(call(200))).rejects.toThrow(
      /^the wait queue is full \(1000 bytes of bodies\); retry after \d+ ms$/,
    );
    await expect(queue.waitForSlot(call(1200))).rejects.toThrow(/^the body \(about 1200 bytes\) is larger/);
    queue.rejectAll(new Error('done'));
  });

  it('does not read the size of a body before the call is to wait', async () => {
    const { queue, enter } = open(1000);
    void enter(0, { priority: 5 });
    let reads = 0;
    const sized = (overrides: CallOverrides) => {
      const call = queuedCall([new TestBucket(1, 10_000, 0)], overrides);
      return outcomeOf(
        queue.waitForSlot(Object.defineProperty(call, 'bodyBytes', { get: () => (reads += 1) })),
      );
    };
    expect(await sized({ signal: AbortSignal.abort() })).toMatchObject({ code: 'ERR_AI_ABORTED' });
    const deadlineAt = performance.now() + 100;
    expect(await sized({ deadlineAt })).toMatchObject({ code: 'ERR_AI_SATURATED' });
    expect(reads).toBe(0);
    const waiting = sized({});
    queue.rejectAll(new Error('done'));
    await waiting;
    expect(reads).toBe(1);
  });

  it('holds exactly the bytes of the waiting calls, whichever calls enter, start, abort or are evicted and whatever a reload changes', async () => {
    const limits = { maxSize: fc.integer({ min: 1, max: 8 }), maxBytes: fc.integer({ min: 1, max: 1500 }) };
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          bodyBytes: fc.integer({ min: 0, max: 800 }),
          priority: fc.integer({ min: 2, max: 5 }),
          tenant: fc.integer({ min: 0, max: 2 }),
        }),
      },
      fc.record({ abort: fc.nat(7) }),
      fc.record({ start: fc.integer({ min: 1, max: 3 }) }),
      fc.record(limits),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const options = { maxSize: 8, maxBytes: 1000 };
        const queue = new WaitQueue<TestBucket>(options);
        const bucket = new TestBucket(1e-9, 10_000, 0);
        const waiting = new Map<AbortController, number>();
        const heldBytes = () => [...waiting.values()].reduce((sum, bytes) => sum + bytes, 0);

        /** Whether the queue would take one byte more with this `maxBytes`, from the least dense call of all. */
        const takesOneByte = (maxBytes: number): boolean => {
          const { ...before } = options;
          Object.assign(options, { maxSize: 1e9, maxBytes });
          const call = queuedCall([bucket], { bodyBytes: 1, priority: 1, promptTokens: 1e9 });
          const error = queue.shedError(call);
          Object.assign(options, before);
          return error === undefined;
        };

        for (const each of steps) {
          if ('bodyBytes' in each) {
            const caller = new AbortController();
            const { bodyBytes } = each;
            waiting.set(caller, bodyBytes);
            const call = queuedCall([bucket], {
              bodyBytes,
              priority: each.priority as Priority,
              tenant: `${each.tenant}`,
              signal: caller.signal,
            });
            const leave = (): void => void waiting.delete(caller);
            queue.enqueue(call, { started: leave, failed: leave });
            expect(queue.size).toBeLessThanOrEqual(options.maxSize);
            expect(heldBytes()).toBeLessThanOrEqual(options.maxBytes);
          } else if ('abort' in each) {
            [...waiting.keys()][each.abort]?.abort();
          } else if ('start' in each) {
            bucket.refund(1000 * each.start);
            queue.wake();
            await jest.advanceTimersByTimeAsync(25);
          } else {
            Object.assign(options, each);
          }
          const bytes = heldBytes();
          expect(queue.size).toBe(waiting.size);
          if (bytes > 0) expect([takesOneByte(bytes), takesOneByte(bytes + 1)]).toEqual([false, true]);
        }
        queue.rejectAll(new Error('done'));
        expect(queue.size).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});

describe('Balancer with queue.maxBytes', () => {
  const rig = new Rig();

  /** A balancer whose only endpoint has one call in flight, which never ends. */
  async function busyBalancer(maxBytes: number) {
    const upstream = await new Upstream({ a: silence }).listen();
    rig.use(() => upstream.close());
    const endpoint = { name: 'a', model: 'm', baseURL: upstream.url('a'), apiKey: KEY, maxConcurrent: 1 };
    const config = { endpoints: [endpoint], logger: false as const, hedge: false as const };
    const balancer = createBalancer({ ...config, queue: { maxBytes } });
    rig.use(() => balancer.close({ graceMs: 0 }));
    const caller = new AbortController();
    const { signal } = caller;
    const ended: unknown[] = [];
    const track = (call: Promise<unknown>): void =>
      void call.catch((error: unknown) => ended.push((error as { code: string }).code));
    track(balancer.chat(BODY, { signal }));
    await until(() => balancer.stats().endpoints[0]!.inFlight === 1);
    return { balancer, config, caller, ended, track, options: { signal, timeoutMs: 600_000 } };
  }

  it('keeps as many calls with images waiting as fit and sheds the others, while small calls still enter', async () => {
    const { balancer, caller, ended, track, options } = await busyBalancer(5.2 * MB);
    for (let n = 0; n < 9; n++) track(balancer.chat(IMAGE_BODY, options));
    await until(() => ended.length === 4);
    expect(ended).toEqual(Array.from({ length: 4 }, () => 'ERR_AI_SATURATED'));
    expect(balancer.stats().queue.size).toBe(5);
    track(balancer.chat(BODY, { ...options, priority: 1 }));
    await until(() => balancer.stats().queue.size === 6);
    caller.abort();
    await until(() => ended.length === 11);
    expect(balancer.stats().queue.size).toBe(0);
  });

  it('counts the bodies of Responses and embeddings calls too', async () => {
    const { balancer, caller, ended, track, options } = await busyBalancer(2.2 * MB);
    const input = [
      { role: 'user' as const, content: [{ type: 'input_image' as const, image_url: IMAGE_URL }] },
    ];
    track(balancer.responses({ model: 'm', input }, { ...options, priority: 5 }));
    const text = 'word '.repeat(60_000);
    track(balancer.embeddings({ model: 'm', input: text }, { ...options, priority: 5 }));
    await until(() => balancer.stats().queue.size === 2);
    const large = { ...IMAGE_BODY, max_tokens: 100_000 };
    const refused = balancer.chat(large, { ...options, priority: 1 });
    await expect(refused).rejects.toThrow('the wait queue is full (2200000 bytes of bodies)');
    expect(balancer.stats().queue.size).toBe(2);
    caller.abort();
    await until(() => ended.length === 3);
  });

  it('applies a new limit after a reload', async () => {
    const { balancer, config, caller, ended, track, options } = await busyBalancer(1);
    await expect(balancer.chat(BODY, options)).rejects.toMatchObject({ code: 'ERR_AI_SATURATED' });
    await balancer.reload({ ...config, queue: { maxBytes: 2.5 * MB } });
    for (let n = 0; n < 2; n++) track(balancer.chat(IMAGE_BODY, options));
    await until(() => balancer.stats().queue.size === 2);
    await balancer.reload({ ...config, queue: { maxBytes: 1.5 * MB } });
    track(balancer.chat(BODY, options));
    await until(() => ended.length === 1);
    expect(ended).toEqual(['ERR_AI_SATURATED']);
    expect(balancer.stats().queue.size).toBe(2);
    caller.abort();
    await until(() => ended.length === 4);
  });
});
