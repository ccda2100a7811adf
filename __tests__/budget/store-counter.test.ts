import type { Payer, Shortage } from '../../lib/budget/budget';
import type { BudgetUpdate } from '../../lib/budget/counter';
import { EndpointBudgets } from '../../lib/budget/endpoint-budgets';
import { SpendReservation } from '../../lib/budget/reservation';
import { SharedSpendLimit } from '../../lib/budget/shared-spend-limit';
import type { SpendLimit } from '../../lib/budget/spend-limit';
import { storeCounter } from '../../lib/budget/store-counter';
import { createWindow } from '../../lib/budget/window';
import type { Call } from '../../lib/call/call';
import type { OutageMode } from '../../lib/cluster/options';
import { MemoryStore } from './memory-store';

const HOUR_MS = 3_600_000;
const UPDATE: BudgetUpdate = {
  member: 'a',
  number: 1,
  limit: 100,
  bucket: 1,
  oldest: 1,
  held: 0,
  spent: [],
  least: 0,
  need: 0,
  ahead: 0,
  isStarved: false,
  members: 0,
  isLeaving: false,
};

beforeEach(() => void jest.useFakeTimers({ now: 1_000_000, doNotFake: ['nextTick', 'queueMicrotask'] }));
afterEach(() => void jest.useRealTimers());

describe('A budget in a store', () => {
  function open(store = new MemoryStore()) {
    const counter = storeCounter(store, 'budget', HOUR_MS);
    return {
      store,
      counter,
      update: (more: Partial<BudgetUpdate>) => counter.update({ ...UPDATE, ...more }),
    };
  }

  it('grants what is needed, and of too little only what the first attempt can use', async () => {
    const { update } = open();
    expect(await update({ need: 30, least: 30 })).toMatchObject({
      granted: 30,
      held: 30,
      members: 1,
      isShort: false,
    });
    expect(await update({ member: 'b', need: 80, least: 10 })).toMatchObject({
      granted: 70,
      held: 100,
      members: 2,
    });
    expect(await update({ member: 'c', need: 5, least: 5 })).toMatchObject({
      granted: 0,
      members: 3,
      isShort: true,
    });
  });

  it('grants nothing if too little is left for the first attempt', async () => {
    const { update } = open();
    await update({ spent: [[1, 80]] });
    expect(await update({ member: 'b', need: 50, least: 30 })).toMatchObject({ granted: 0, isShort: true });
  });

  it('does not count what was spent in an earlier period, also by a process that has gone', async () => {
    const { update } = open();
    await update({ spent: [[1, 90]], need: 10, least: 10 });
    expect(await update({ member: 'b', bucket: 2, oldest: 2, need: 60, least: 60 })).toMatchObject({
      granted: 60,
      held: 60,
    });
  });

  it('ignores an update that arrives after a later one', async () => {
    const { update } = open();
    await update({});
    await update({ number: 3, spent: [[1, 20]] });
    expect(await update({ number: 2, spent: [[1, 90]], need: 10 })).toMatchObject({
      granted: 0,
      spent: [[1, 20]],
    });
  });

  it('keeps what a process has spent when it leaves, and frees its lease', async () => {
    const { update } = open();
    await update({ need: 50, least: 50 });
    await update({ number: 2, held: 0, spent: [[1, 40]], isLeaving: true });
    expect(await update({ member: 'b', need: 60, least: 60 })).toMatchObject({
      granted: 60,
      spent: [[1, 40]],
    });
  });

  it('says that it was lost to a process that it should know, and then counts what that carries over', async () => {
    const { store, update } = open();
    await update({ spent: [[1, 70]] });
    store.records.clear();
    expect(await update({ number: 2, need: 10 })).toMatchObject({ isLost: true, granted: 0 });
    const carried = { number: 3, carried: [[1, 70]] as const, members: 1, need: 10, least: 10 };
    // Other processes may still have to report what they hold.
    expect(await update(carried)).toMatchObject({ isLost: false, granted: 0, spent: [[1, 70]] });
    jest.advanceTimersByTime(60_000);
    expect(await update({ number: 4, need: 10, least: 10 })).toMatchObject({ granted: 10 });
    expect(await update({ member: 'b', need: 40, least: 30 })).toMatchObject({ granted: 0 });
  });

  it('waits for processes that may hold a lease if none has reported how many there are', async () => {
    const { update } = open();
    expect(await update({ carried: [], need: 10, least: 10 })).toMatchObject({ granted: 0, isLost: false });
    expect(await update({ member: 'b', carried: [[1, 5]], need: 10, least: 10 })).toMatchObject({
      granted: 0,
      spent: [[1, 5]],
    });
    jest.advanceTimersByTime(600_000);
    expect(await update({ number: 2, need: 10, least: 10 })).toMatchObject({ granted: 10 });
  });

  it('counts as lost if other software has written to its key', async () => {
    const { store, update } = open();
    store.records.set('budget', 'not a record');
    expect(await update({ need: 10, least: 10 })).toMatchObject({ granted: 10 });
  });

  it('is unreachable while its store answers without having stored anything', async () => {
    const { counter, update } = open({ update: () => Promise.resolve() } as unknown as MemoryStore);
    await expect(update({})).rejects.toThrow('the budget store did not answer in time');
    expect([counter.state, counter.hasBeenDown]).toEqual(['down', true]);
    await expect(update({})).rejects.toThrow('the budget store is unreachable');
  });
});

function spendLimitIn(store: MemoryStore, mode: OutageMode): SharedSpendLimit {
  return new SharedSpendLimit({
    counter: storeCounter(store, 'budget', HOUR_MS),
    window: createWindow('hour', { timeZone: 'UTC', window: 'calendar' }),
    limit: 100,
    onOutage: () => mode,
    onChange: () => undefined,
  });
}

describe('A shared budget whose store is unreachable', () => {
  it.each([
    ['open', { kind: 'free' }],
    ['closed', { kind: 'unconfirmed', waitMs: expect.any(Number) as number }],
    ['local-share', { kind: 'unconfirmed', waitMs: expect.any(Number) as number }],
  ] as const)('has room as onOutage %s says: %j', async (mode, room) => {
    const store = new MemoryStore();
    store.mode = 'down';
    const spendLimit = spendLimitIn(store, mode);
    await jest.advanceTimersByTimeAsync(10);
    expect(spendLimit.room(10)).toEqual(room);
    await spendLimit.close();
  });
});

describe('A shared budget whose store fails after it has leased a part', () => {
  it.each([
    ['open', { kind: 'free' }],
    ['closed', { kind: 'unconfirmed', waitMs: expect.any(Number) as number }],
    ['local-share', { kind: 'free' }],
  ] as const)('with onOutage %s has room for a call within the lease: %j', async (mode, room) => {
    const store = new MemoryStore();
    const spendLimit = spendLimitIn(store, mode);
    await jest.advanceTimersByTimeAsync(10);
    expect(spendLimit.room(1)).toEqual({ kind: 'free' });
    store.mode = 'down';
    await jest.advanceTimersByTimeAsync(10_000);
    expect(spendLimit.room(1)).toEqual(room);
    store.mode = 'up';
    await jest.advanceTimersByTimeAsync(10_000);
    expect(spendLimit.room(1)).toEqual({ kind: 'free' });
    await spendLimit.close();
  });
});

describe('The budget that delays a call', () => {
  const PRICE = { input: 1, output: 1 };
  const CALL = { promptTokens: 1_000, expectedOutputTokens: 10, context: {} } as unknown as Call;
  const payer = (name: string, room: Shortage['room'] | undefined, allowsCheapest = false) => {
    const shortage = room && { room, what: name };
    return { budget: { shortage: () => shortage }, allowsCheapest } as unknown as Payer;
  };
  const spent = (waitMs: number) => ({ kind: 'spent', waitMs }) as const;
  const RESERVED = { kind: 'reserved' } as const;

  it.each<[string, Payer[], string | undefined]>([
    ['is none if all have room', [payer('a', undefined), payer('b', undefined)], undefined],
    ['is the only one without room', [payer('a', undefined), payer('b', RESERVED)], 'b'],
    [
      'is the one that is spent for longest',
      [payer('a', spent(5)), payer('b', spent(9)), payer('c', spent(7))],
      'b',
    ],
    [
      'is one that is spent rather than one that is reserved',
      [payer('a', spent(5)), payer('b', RESERVED)],
      'a',
    ],
    [
      'is one that allows no endpoint rather than one that allows the cheapest',
      [payer('a', spent(9), true), payer('b', spent(5))],
      'b',
    ],
    [
      'stays one that allows no endpoint when one that allows the cheapest follows',
      [payer('a', spent(5)), payer('b', spent(9), true)],
      'a',
    ],
  ])('%s', (_what, payers, name) => {
    expect(new EndpointBudgets(payers, undefined).obstacle(CALL, PRICE)?.what).toBe(name);
  });
});

describe('The reservation of an attempt in a budget', () => {
  const PRICE = { input: 1, output: 1 };

  function reserve() {
    const settle = jest.fn();
    const held = { units: 10, bucket: 1 };
    const onSettled = jest.fn();
    const spendLimit = { settle } as unknown as SpendLimit;
    const reservation = new SpendReservation([[spendLimit, held]], 10, PRICE, onSettled);
    return { reservation, onSettled, spent: () => settle.mock.calls.map(([, units]: unknown[]) => units) };
  }

  it.each<[string, (reservation: SpendReservation) => void, number]>([
    ['kept', (each) => each.settleAs({ kind: 'kept' }), 10],
    ['returned', (each) => each.settleAs({ kind: 'returned' }), 0],
    ['used beyond all numbers', (each) => each.settle(Number.NaN), 10],
    ['used below zero', (each) => each.settle(-1), 0],
    ['used in part', (each) => each.settle(3.2), 4],
  ])('that is %s is settled once', (_what, settle, units) => {
    const { reservation, spent, onSettled } = reserve();
    settle(reservation);
    reservation.settleAs({ kind: 'kept' });
    expect(spent()).toEqual([units]);
    expect(onSettled).toHaveBeenCalledTimes(1);
  });
});
