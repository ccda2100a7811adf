import type { Quota } from '../../lib/quota/quota';
import { Quota as RealQuota } from '../../lib/quota/quota';
import { Reservation } from '../../lib/quota/reservation';
import { GrantRequest } from '../../lib/util/grant-request';

const COST = { input: 300, output: 200 };
const used = (input: number, output: number) => ({ kind: 'used', usage: { input, output } }) as const;

/** A quota that records how it is called, and asks its store first if `units` are given. */
function recordingQuota(...units: number[]) {
  const calls: unknown[][] = [];
  const cancelled: number[] = [];
  const requests = units.map((each) => new GrantRequest(each, () => void cancelled.push(each)));
  const record =
    (name: string) =>
    (...args: unknown[]) =>
      void calls.push([name, ...args]);
  let snapshots = 0;
  const quota = {
    take: (_cost: unknown, _now: number, grants: Map<unknown, GrantRequest>) => {
      for (const request of requests) grants.set(request, request);
    },
    snapshot: () => ({ number: snapshots++ }),
    correct: record('correct'),
    recordRefusal: record('recordRefusal'),
    finishAttempt: record('finishAttempt'),
    adjust: (back: unknown, count: number, now: number, takenAt: number) =>
      void calls.push(['adjust', back, count, now, takenAt]),
  } as unknown as Quota;
  return { quota, calls, requests, cancelled };
}

const reserve = (quota: Quota, keeps = false, now = 5) => new Reservation([quota], COST, () => keeps, now);

describe('A reservation without a store', () => {
  it('is confirmed at once, and no longer once it is settled', async () => {
    const { quota } = recordingQuota();
    const reservation = reserve(quota);
    expect(reservation.isConfirmed).toBe(true);
    expect(await reservation.confirm()).toBe(true);
    reservation.settle({ kind: 'kept' }, 9);
    expect(await reservation.confirm()).toBe(false);
    expect(reservation.isConfirmed).toBe(true);
  });

  it('gives back what was not used, and the request only if nothing was admitted', () => {
    const settled = (settlement: Parameters<Reservation['settle']>[0], keeps = false) => {
      const { quota, calls } = recordingQuota();
      reserve(quota, keeps).settle(settlement, 9);
      return calls;
    };
    const ended = ['finishAttempt', COST];
    expect(settled(used(100, 50))).toEqual([ended, ['adjust', { input: 200, output: 150 }, 0, 9, 5]]);
    expect(settled(used(400, 250))).toEqual([ended, ['adjust', { input: -100, output: -50 }, 0, 9, 5]]);
    expect(settled({ kind: 'returned' })).toEqual([ended, ['adjust', COST, 1, 9, 5]]);
    expect(settled({ kind: 'kept' })).toEqual([ended]);
  });

  it('gives nothing back if the provider keeps what was reserved, and takes what was used beyond', () => {
    const settled = (input: number, output: number) => {
      const { quota, calls } = recordingQuota();
      reserve(quota, true).settle(used(input, output), 9);
      return calls[1]?.[1];
    };
    expect(settled(100, 50)).toEqual({ input: 0, output: 0 });
    expect(settled(310, 195)).toEqual({ input: 0, output: -5 });
    expect(settled(310, 190)).toEqual({ input: 0, output: 0 });
  });

  it('is settled once', () => {
    const { quota, calls } = recordingQuota();
    const reservation = reserve(quota);
    reservation.settle(used(100, 50), 9);
    reservation.settle({ kind: 'returned' }, 10);
    expect(calls).toHaveLength(2);
  });

  it('compares headers with the levels at its own time, for each of its quotas', () => {
    const [one, two] = [recordingQuota(), recordingQuota()];
    const reservation = new Reservation([one.quota, two.quota], COST, () => false, 5);
    const reading = { tokens: { remaining: 7 } };
    reservation.correct(reading, 8);
    const expected = ['correct', { number: 0 }, reading, { input: 300, output: 0 }, 8];
    expect([one.calls, two.calls]).toEqual([[expected], [expected]]);
    reservation.settle({ kind: 'returned' }, 9);
    reservation.recordRefusal({ retryAfterMs: 3 }, 10);
    const refused = ['recordRefusal', { retryAfterMs: 3 }, 10, { snapshot: { number: 0 }, cost: COST }];
    expect([one.calls.at(-1), two.calls.at(-1)]).toEqual([refused, refused]);
  });

  it('does not give back a prompt twice: headers with the remaining tokens have corrected it already', () => {
    const afterHeaders = (reading: object, input: number, isSettledBefore = false) => {
      const { quota, calls } = recordingQuota();
      const reservation = reserve(quota);
      if (isSettledBefore) reservation.settle(used(input, 200), 8);
      reservation.correct(reading, 8);
      reservation.settle(used(input, 200), 9);
      return calls.find(([name]) => name === 'adjust')?.[1];
    };
    expect(afterHeaders({ tokens: { remaining: 7 } }, 100)).toEqual({ input: 0, output: 0 });
    expect(afterHeaders({ tokens: { remaining: 7 } }, 310)).toEqual({ input: -10, output: 0 });
    expect(afterHeaders({ tokens: { limit: 7 } }, 100)).toEqual({ input: 200, output: 0 });
    expect(afterHeaders({ requests: { remaining: 7 } }, 100)).toEqual({ input: 200, output: 0 });
    expect(afterHeaders({ tokens: { remaining: 7 } }, 100, true)).toEqual({ input: 200, output: 0 });
  });
});

describe('A reservation that a store must grant', () => {
  it('is confirmed once every request is granted, with the levels of that time', async () => {
    const { quota, requests, calls } = recordingQuota(1, 500);
    const reservation = reserve(quota);
    expect(reservation.isConfirmed).toBe(false);
    const confirmed = reservation.confirm();
    for (const request of requests) request.decide(true);
    expect(await confirmed).toBe(true);
    expect(reservation.isConfirmed).toBe(true);
    reservation.correct({}, 8);
    expect(calls).toEqual([['correct', { number: 1 }, {}, { input: 300, output: 0 }, 8]]);
    reservation.settle(used(100, 50), 9);
    expect(calls.at(-1)?.[1]).toEqual({ input: 200, output: 150 });
  });

  it('takes nothing if one request is refused', async () => {
    const { quota, requests, calls } = recordingQuota(1, 500);
    const reservation = reserve(quota);
    const confirmed = reservation.confirm();
    requests[0]?.decide(true);
    requests[1]?.decide(false);
    expect(await confirmed).toBe(false);
    expect(calls.map(([name]) => name)).toEqual(['finishAttempt', 'adjust']);
    expect(calls[1]?.slice(1, 3)).toEqual([COST, 1]);
    expect(await reservation.confirm()).toBe(false);
  });

  it('that is settled before is never sent: its requests are cancelled and everything comes back', async () => {
    const { quota, requests, calls, cancelled } = recordingQuota(1, 500);
    const reservation = reserve(quota);
    const confirmed = reservation.confirm();
    reservation.settle(used(100, 50), 9);
    for (const request of requests) request.decide(true);
    expect(await confirmed).toBe(false);
    expect(cancelled).toEqual([1, 500]);
    expect(calls).toEqual([
      ['finishAttempt', COST],
      ['adjust', COST, 1, 9, 5],
    ]);
  });

  it('is not corrected as a prompt that has been charged', async () => {
    const { quota, requests, calls } = recordingQuota(1);
    const reservation = reserve(quota);
    reservation.correct({ tokens: { remaining: 7 } }, 6);
    requests[0]?.decide(true);
    await reservation.confirm();
    reservation.settle(used(100, 200), 9);
    expect(calls.at(-1)?.[1]).toEqual({ input: 200, output: 0 });
  });
});

it('A reservation takes from real quotas what it gives back', () => {
  const quotas = [new RealQuota('a', { tpm: 60_000, rpm: 600 }, 10), new RealQuota('b', { tpd: 1_000 }, 10)];
  const reservation = new Reservation(quotas, COST, () => false, 0);
  expect(quotas.map((quota) => quota.tokensLeft(0))).toEqual([9_300, 500]);
  reservation.settle({ kind: 'returned' }, 0);
  expect(quotas.map((quota) => quota.tokensLeft(0))).toEqual([9_800, 1_000]);
  expect(quotas[0]?.requestsLeft(0)).toBe(98);
});
