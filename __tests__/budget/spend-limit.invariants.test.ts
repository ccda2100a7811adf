import fc from 'fast-check';
import { SharedSpendLimit } from '../../lib/budget/shared-spend-limit';
import type { Held, SpendLimit } from '../../lib/budget/spend-limit';
import { MemorySpendLimit } from '../../lib/budget/spend-limit';
import { storeCounter } from '../../lib/budget/store-counter';
import { createWindow } from '../../lib/budget/window';
import { MemoryStore } from './memory-store';

const LIMIT = 1_000;
const HOUR_MS = 3_600_000;

beforeEach(() => jest.useFakeTimers({ now: 10 * HOUR_MS }));
afterEach(() => jest.useRealTimers());

/** A process that reserves from a spendLimit and settles what it has reserved. */
class Spender {
  readonly running: { readonly held: Held; isGranted: boolean }[] = [];
  readonly spent = new Map<number, number>();
  refused = 0;

  constructor(readonly spendLimit: SpendLimit) {}

  /** Tries to reserve an amount as an attempt does. */
  async take(units: number): Promise<void> {
    if (this.spendLimit.room(units).kind !== 'free') {
      this.refused++;
      return;
    }
    const held = this.spendLimit.take(units);
    const attempt = { held, isGranted: held.request === undefined };
    this.running.push(attempt);
    if (!held.request) return;
    attempt.isGranted = await held.request.decision;
    if (attempt.isGranted) return;
    this.refused++;
    this.spendLimit.settle(held, 0);
    this.running.splice(this.running.indexOf(attempt), 1);
  }

  /** As `take`, and waits for the answer. Fake timers hold microtasks back too. */
  async taken(units: number): Promise<void> {
    void this.take(units);
    for (let turn = 0; turn < 4; turn++) await jest.advanceTimersByTimeAsync(1);
  }

  /** Ends the oldest attempt that was granted, with a share of what it had reserved. */
  settle(share: number): void {
    const index = this.running.findIndex(({ isGranted }) => isGranted);
    const [attempt] = index < 0 ? [] : this.running.splice(index, 1);
    if (!attempt) return;
    const used = Math.floor(attempt.held.units * share);
    const { bucket } = attempt.held;
    this.spent.set(bucket, (this.spent.get(bucket) ?? 0) + used);
    this.spendLimit.settle(attempt.held, used);
  }

  settleAll(share: number): void {
    while (this.running.some(({ isGranted }) => isGranted)) this.settle(share);
  }

  /** What is spent or reserved in one bucket. */
  committed(bucket: number): number {
    const reserved = this.running.filter(({ isGranted, held }) => isGranted && held.bucket === bucket);
    return (this.spent.get(bucket) ?? 0) + reserved.reduce((sum, { held }) => sum + held.units, 0);
  }
}

function expectWithinLimit(spenders: readonly Spender[]): void {
  const buckets = new Set(
    spenders.flatMap(({ spent, running }) => [...spent.keys(), ...running.map(({ held }) => held.bucket)]),
  );
  for (const bucket of buckets) {
    const committed = spenders.reduce((sum, spender) => sum + spender.committed(bucket), 0);
    expect(committed).toBeLessThanOrEqual(LIMIT);
  }
}

type Step =
  | { readonly do: 'take'; readonly by: number; readonly units: number }
  | { readonly do: 'settle'; readonly by: number; readonly share: number }
  | { readonly do: 'pause'; readonly ms: number }
  | { readonly do: 'mode'; readonly mode: MemoryStore['mode'] };

const take = fc.record({
  do: fc.constant('take' as const),
  by: fc.nat(2),
  units: fc.integer({ min: 1, max: 300 }),
});
const settle = fc.record({
  do: fc.constant('settle' as const),
  by: fc.nat(2),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
});
const pause = fc.record({ do: fc.constant('pause' as const), ms: fc.nat(2_000) });
const mode = fc.record({
  do: fc.constant('mode' as const),
  mode: fc.constantFrom<MemoryStore['mode']>('up', 'up', 'down', 'lost-reply'),
});

async function runSteps(
  spenders: readonly Spender[],
  steps: readonly Step[],
  store?: MemoryStore,
): Promise<void> {
  for (const step of steps) {
    const spender = 'by' in step ? spenders[step.by % spenders.length] : undefined;
    if (step.do === 'take') void spender?.take(step.units);
    else if (step.do === 'settle') spender?.settle(step.share);
    else if (step.do === 'pause') await jest.advanceTimersByTimeAsync(step.ms);
    else if (store) store.mode = step.mode;
    await jest.advanceTimersByTimeAsync(0);
    expectWithinLimit(spenders);
  }
}

/** Settles everything, and lets the processes report it. */
async function finish(spenders: readonly Spender[], store?: MemoryStore): Promise<void> {
  if (store) store.mode = 'up';
  await jest.advanceTimersByTimeAsync(8_000);
  for (const spender of spenders) spender.settleAll(1);
  await jest.advanceTimersByTimeAsync(8_000);
}

function spentIn(spenders: readonly Spender[], bucket: number): number {
  return spenders.reduce((sum, { spent }) => sum + (spent.get(bucket) ?? 0), 0);
}

describe('A budget of one process', () => {
  it('never has more than its limit spent and reserved, and frees every reservation that has ended', async () => {
    const steps = fc.array(fc.oneof(take, settle, pause), { maxLength: 80 });
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const window = createWindow('hour', { timeZone: 'UTC', window: 'calendar' });
        const spender = new Spender(new MemorySpendLimit(window, LIMIT));
        await runSteps([spender], all);
        await finish([spender]);
        const now = window.bucketAt(Date.now());
        expect(spender.spendLimit.figures()).toEqual({ spent: spentIn([spender], now), reserved: 0 });
      }),
      { numRuns: 100 },
    );
  });

  it('reports when spent units no longer count', () => {
    const rolling = createWindow('hour', { timeZone: 'UTC', window: 'rolling' });
    const spendLimit = new MemorySpendLimit(rolling, 100);
    spendLimit.settle(spendLimit.take(60), 60);
    jest.advanceTimersByTime(20 * 60_000);
    spendLimit.settle(spendLimit.take(40), 40);
    // The first 60 leave five minutes after an hour, since buckets have five minutes.
    const room = spendLimit.room(50);
    expect(room).toEqual({ kind: 'spent', waitMs: 45 * 60_000 });
    jest.advanceTimersByTime(45 * 60_000);
    expect(spendLimit.room(50)).toEqual({ kind: 'free' });
    expect(spendLimit.room(61).kind).toBe('spent');
    expect(spendLimit.room(101)).toEqual({ kind: 'spent', waitMs: Infinity });
  });

  it('distinguishes reserved units from spent ones', () => {
    const spendLimit = new MemorySpendLimit(
      createWindow('day', { timeZone: 'UTC', window: 'calendar' }),
      100,
    );
    const held = spendLimit.take(80);
    expect(spendLimit.room(30)).toEqual({ kind: 'reserved' });
    spendLimit.settle(held, 10);
    expect(spendLimit.room(30)).toEqual({ kind: 'free' });
  });
});

describe('A budget that three processes share in a store', () => {
  function processes(store: MemoryStore): Spender[] {
    return [0, 1, 2].map(() => {
      const window = createWindow('hour', { timeZone: 'UTC', window: 'calendar' });
      const counter = storeCounter(store, 'budget', 2 * HOUR_MS);
      return new Spender(
        new SharedSpendLimit({
          counter,
          window,
          limit: LIMIT,
          onOutage: () => 'local-share',
          onChange: () => undefined,
        }),
      );
    });
  }

  it('is never exceeded while the store fails and loses replies at random', async () => {
    const steps = fc.array(fc.oneof(take, take, settle, pause, mode), { maxLength: 80 });
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const store = new MemoryStore();
        const spenders = processes(store);
        await runSteps(spenders, all, store);
        await finish(spenders, store);
        const window = createWindow('hour', { timeZone: 'UTC', window: 'calendar' });
        const spent = spentIn(spenders, window.bucketAt(Date.now()));
        for (const { spendLimit } of spenders) expect(spendLimit.figures()).toEqual({ spent, reserved: 0 });
        await Promise.all(spenders.map(({ spendLimit }) => spendLimit.close()));
      }),
      { numRuns: 60 },
    );
  });

  it('continues with the leases while the store is down, and counts the spending afterwards', async () => {
    const store = new MemoryStore();
    const spenders = processes(store);
    await jest.advanceTimersByTimeAsync(3_000);
    store.mode = 'down';
    await jest.advanceTimersByTimeAsync(3_000);
    for (const spender of spenders) {
      await spender.taken(10);
      spender.settle(1);
      for (let n = 0; n < 200; n++) void spender.take(10);
    }
    await jest.advanceTimersByTimeAsync(1_000);
    for (const { refused, running } of spenders) {
      expect(running.length).toBeGreaterThan(0);
      expect(refused).toBeGreaterThan(0);
    }
    expectWithinLimit(spenders);
    for (const spender of spenders) spender.settleAll(0.5);
    store.mode = 'up';
    await jest.advanceTimersByTimeAsync(5_000);
    const spent = spentIn(spenders, 10 * HOUR_MS);
    for (const { spendLimit } of spenders) expect(spendLimit.figures()).toEqual({ spent, reserved: 0 });
  });

  it('can be used up by one process, because the others return what they do not use', async () => {
    const spenders = processes(new MemoryStore());
    await jest.advanceTimersByTimeAsync(3_000);
    const [one] = spenders as [Spender];
    for (let n = 0; n < 200; n++) {
      void one.take(10);
      await jest.advanceTimersByTimeAsync(50);
      one.settle(1);
    }
    expect(spentIn(spenders, 10 * HOUR_MS)).toBe(LIMIT);
  });

  it('is restored by the processes when the store has lost it', async () => {
    const store = new MemoryStore();
    const spenders = processes(store);
    await jest.advanceTimersByTimeAsync(2_000);
    const [one, two] = spenders as [Spender, Spender];
    for (const spender of [one, two]) {
      for (let n = 0; n < 3; n++) await spender.taken(100);
      spender.settleAll(1);
      await jest.advanceTimersByTimeAsync(2_000);
    }
    store.records.clear();
    await jest.advanceTimersByTimeAsync(8_000);
    for (const { spendLimit } of spenders) expect(spendLimit.figures().spent).toBe(600);
    for (let n = 0; n < 20; n++) await one.taken(100);
    expectWithinLimit(spenders);
  });

  it('makes the lease of a process that closes available to the others', async () => {
    const store = new MemoryStore();
    const spenders = processes(store);
    await jest.advanceTimersByTimeAsync(2_000);
    const [one, two, three] = spenders as [Spender, Spender, Spender];
    await Promise.all([two.spendLimit.close(), three.spendLimit.close()]);
    await jest.advanceTimersByTimeAsync(2_000);
    await one.taken(LIMIT);
    expect(one.committed(10 * HOUR_MS)).toBe(LIMIT);
  });

  it('starts again with a share for each process if a period begins during an outage', async () => {
    const store = new MemoryStore();
    const spenders = processes(store);
    await jest.advanceTimersByTimeAsync(2_000);
    store.mode = 'down';
    await jest.advanceTimersByTimeAsync(HOUR_MS);
    for (const spender of spenders) for (let n = 0; n < 100; n++) void spender.take(10);
    await jest.advanceTimersByTimeAsync(100);
    for (const { running } of spenders) expect(running.length).toBe(33);
    expectWithinLimit(spenders);
  });
});
