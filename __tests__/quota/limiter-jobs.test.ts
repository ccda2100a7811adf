import Bottleneck from 'bottleneck';
import type { LimiterStore, SharedLimiter } from '../../lib/quota/limiter';
import { Quota } from '../../lib/quota/quota';
import { LimiterSet } from '../../lib/quota/quota-limiter';
import { GrantRequest } from '../../lib/util/grant-request';

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
});

afterEach(() => {
  jest.useRealTimers();
});

function rig(quota = new Quota('q', { rpm: 600, tpm: 60_000 }, 10), ...more: Quota[]) {
  const capacity = { changes: 0 };
  const endpoint = { name: 'main', quotas: [quota, ...more] };
  const set = new LimiterSet(endpoint, () => {
    capacity.changes++;
  });
  const started: string[] = [];
  const run = (limiter: Bottleneck | undefined, name: string, weight: number, priority = 5) =>
    limiter!.schedule({ id: name, weight, priority }, () => {
      started.push(name);
      return Promise.resolve(name);
    });
  return { quota, endpoint, set, tokens: set.get().tokens!, started, run, capacity };
}

const settle = (ms = 10) => jest.advanceTimersByTimeAsync(ms);

/** What a promise of Bottleneck, which waits for timers, resolves to. */
async function result<T>(promise: Promise<T>): Promise<T> {
  await settle();
  return promise;
}

describe("An endpoint's limiters", () => {
  it('are one for each limit per minute that one of its quotas has, the same each time', () => {
    const { set, tokens } = rig(
      new Quota('q', { rpm: 600, rpd: 5 }, 10),
      new Quota('g', { tpm: 60_000 }, 10),
    );
    expect(Object.keys(set.get())).toEqual(['requests', 'tokens']);
    expect(set.get().tokens).toBe(tokens);
    expect(Object.keys(rig(new Quota('q', { inputTpm: 5, outputTpm: 5, tpm: 9 }, 10)).set.get())).toEqual([
      'tokens',
      'input',
      'output',
    ]);
  });

  it('tell what is left of the scarcest quota, and null without a limit', async () => {
    const { quota, tokens, endpoint } = rig(
      new Quota('q', { tpm: 60_000 }, 10),
      new Quota('g', { tpm: 6_000 }, 10),
    );
    expect(await tokens.currentReservoir()).toBe(980);
    quota.take({ input: 9_000, output: 0 }, 0);
    expect(await tokens.currentReservoir()).toBe(800);
    endpoint.quotas.length = 0;
    expect(await tokens.currentReservoir()).toBeNull();
  });

  it('take and give back units, and wake calls only if units have come back', async () => {
    const { quota, tokens, capacity } = rig();
    expect(await tokens.incrementReservoir(-800)).toBe(9_000);
    expect(await tokens.incrementReservoir(0)).toBe(9_000);
    expect(capacity.changes).toBe(0);
    expect(await tokens.incrementReservoir(300)).toBe(9_300);
    expect(capacity.changes).toBe(1);
    expect(quota.tokensLeft(0)).toBe(9_300);
    await expect(tokens.incrementReservoir(Number.NaN)).rejects.toThrow('expected a finite number, got NaN');
  });

  it('keep their reservoir, whatever settings are given', () => {
    const { tokens } = rig();
    expect(() => tokens.updateSettings({ reservoir: 5 })).toThrow("the reservoir is the endpoint's quota");
    expect(() => tokens.updateSettings({ maxConcurrent: 5 })).not.toThrow();
    expect(() => tokens.updateSettings()).not.toThrow();
  });

  it('tell whether a job could start now', async () => {
    const { quota, tokens } = rig();
    expect(await result(tokens.check(500))).toBe(true);
    expect(await result(tokens.check())).toBe(true);
    quota.take({ input: 9_700, output: 0 }, 0);
    expect(await result(tokens.check(500))).toBe(false);
    const cooling = rig();
    cooling.quota.coolDownOnReport(1_000, 0);
    expect(await result(cooling.tokens.check(1))).toBe(false);
  });
});

describe('A job on a limiter', () => {
  it('takes its weight from the quota and starts at once while there is room', async () => {
    const { quota, tokens, run, started } = rig();
    const job = run(tokens, 'a', 700);
    await settle();
    expect(started).toEqual(['a']);
    await job;
    expect(quota.tokensLeft(0)).toBe(9_100);
  });

  it('waits until its units fit, in order of priority and arrival', async () => {
    const { quota, tokens, run, started } = rig();
    quota.take({ input: 9_800, output: 0 }, 0);
    void run(tokens, 'first', 980);
    void run(tokens, 'second', 980);
    void run(tokens, 'urgent', 980, 0);
    await settle();
    expect(started).toEqual([]);
    // 980 units and the reserve of 392 refill in 1,400 ms, and the next each in 1,000.
    await settle(1_390);
    expect(started).toEqual([]);
    await settle(300);
    expect(started).toEqual(['urgent']);
    await settle(2_100);
    expect(started).toEqual(['urgent', 'first', 'second']);
  });

  it('takes nothing if it is dropped while it waits', async () => {
    const { quota, tokens, run, started, capacity } = rig();
    quota.take({ input: 9_300, output: 0 }, 0);
    const large = run(tokens, 'large', 9_000);
    const dropped = large.then(undefined, (error: unknown) => (error as Error).message);
    await settle();
    void tokens.stop({ dropWaitingJobs: true, dropErrorMessage: 'dropped' });
    await settle(20_000);
    expect(await dropped).toBe('dropped');
    expect(started).toEqual([]);
    expect(quota.tokensLeft(performance.now())).toBe(9_800);
    expect(capacity.changes).toBe(0);
  });

  it('gives back what was granted to it if it is dropped before it starts', async () => {
    const { quota, tokens, run, capacity } = rig();
    tokens.updateSettings({ maxConcurrent: 600 });
    let end: (value: unknown) => void = () => undefined;
    const running = tokens.schedule({ weight: 400 }, () => new Promise((resolve) => (end = resolve)));
    await settle();
    const waiting = run(tokens, 'waiting', 500).catch((error: unknown) => (error as Error).message);
    await settle();
    // The first job took its units at 1 ms, and the quota refills one a millisecond.
    expect(quota.tokensLeft(20)).toBe(8_919);
    void tokens.stop({ dropWaitingJobs: true, dropErrorMessage: 'dropped' });
    await settle();
    expect(await waiting).toBe('dropped');
    expect(capacity.changes).toBe(1);
    expect(quota.tokensLeft(30)).toBe(9_429);
    end(undefined);
    await result(running);
  });

  it('starts at once when a job before it that needs more is dropped', async () => {
    const { quota, tokens, run, started } = rig();
    tokens.updateSettings({ highWater: 1, strategy: Bottleneck.strategy.LEAK });
    quota.take({ input: 9_000, output: 0 }, 0);
    const large = run(tokens, 'large', 9_000).catch(() => 'dropped');
    await settle();
    void run(tokens, 'small', 100);
    await settle();
    expect([await large, started]).toEqual(['dropped', ['small']]);
  });

  it('does not start with units that a dropped job has given back', async () => {
    const { quota, tokens, run, started } = rig();
    tokens.updateSettings({ maxConcurrent: 600, highWater: 1, strategy: Bottleneck.strategy.LEAK });
    let end: (value: unknown) => void = () => undefined;
    const running = tokens.schedule({ weight: 400 }, () => new Promise((resolve) => (end = resolve)));
    await settle();
    const waiting = run(tokens, 'waiting', 500).catch(() => 'dropped');
    await settle();
    quota.coolDownOnReport(5_000, performance.now());
    void run(tokens, 'next', 500);
    await settle();
    end(undefined);
    await result(running);
    expect([await waiting, started]).toEqual(['dropped', []]);
    await settle(10_000);
    expect(started).toEqual(['next']);
  });

  it('starts within a quarter of a second after units have come back', async () => {
    const { quota, tokens, run, started } = rig();
    quota.take({ input: 9_800, output: 0 }, 0);
    void run(tokens, 'a', 5_000);
    await settle();
    void tokens.incrementReservoir(9_000);
    await settle(260);
    expect(started).toEqual(['a']);
  });

  it('no longer calls a listener of the app that is removed', async () => {
    const { tokens, run } = rig();
    let calls = 0;
    tokens.on('done', () => calls++);
    await result(run(tokens, 'a', 100));
    tokens.removeAllListeners('done');
    await result(run(tokens, 'b', 100));
    expect(calls).toBe(1);
  });

  it('starts although listeners of the app are removed', async () => {
    const { tokens, run, started } = rig();
    tokens.removeAllListeners('queued');
    await Promise.all([run(tokens, 'a', 100), settle()]);
    tokens.removeAllListeners('scheduled');
    await Promise.all([run(tokens, 'b', 100), settle()]);
    tokens.removeAllListeners();
    await Promise.all([run(tokens, 'c', 100), run(tokens, 'd', 100), settle()]);
    expect(started).toEqual(['a', 'b', 'c', 'd']);
  });

  it('runs no timer once no job waits', async () => {
    const { quota, tokens, run } = rig();
    quota.take({ input: 9_800, output: 0 }, 0);
    const job = run(tokens, 'a', 100);
    await settle(5_000);
    await job;
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('A job whose units a shared store must grant', () => {
  /** Grants or refuses requests in the given order. */
  function storeThat(...decisions: boolean[]): LimiterStore {
    const limiter = {
      waitMs: (_units: number, waitMs: number) => waitMs,
      prefetch: () => undefined,
      reserve: (units: number) => {
        const request = new GrantRequest(units, () => undefined);
        request.decide(decisions.shift() ?? true);
        return request;
      },
      refund: () => undefined,
      overdraw: () => undefined,
      correct: () => undefined,
      adjust: () => Promise.resolve(undefined),
      close: () => undefined,
    } as SharedLimiter;
    return { open: () => limiter, configure: () => undefined };
  }

  it('is tried again a quarter of a second after a refusal', async () => {
    const { tokens, run, started } = rig(new Quota('q', { tpm: 60_000 }, 10, storeThat(false, true)));
    void run(tokens, 'a', 100);
    await settle(245);
    expect(started).toEqual([]);
    await settle(15);
    expect(started).toEqual(['a']);
  });

  it('gives back to the limits that had granted it, and not to the one that refused', async () => {
    const granting = new Quota('granting', { tpm: 60_000 }, 10, storeThat(true, true));
    const refusing = new Quota('refusing', { tpm: 60_000 }, 10, storeThat(false, true));
    const inMemory = new Quota('in memory', { tpm: 60_000 }, 10);
    const { tokens, run } = rig(granting, refusing, inMemory);
    void run(tokens, 'a', 1_000);
    await settle();
    // The limiter that refuses returns its own units, which this one does not do.
    expect([granting, refusing, inMemory].map((quota) => quota.tokensLeft(0))).toEqual([9_800, 8_800, 9_800]);
  });
});
