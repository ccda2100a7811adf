import { isObject } from '../util/is-object';
import { within } from '../util/timers';
import {
  AHEAD_DIVISOR,
  type BucketEntries,
  type BudgetCounter,
  type BudgetReply,
  type BudgetUpdate,
  MAX_QUIET_MS,
  MEMBER_MS,
  QUIET_MS,
  SHORT_MS,
} from './counter';
import type { BudgetStore } from './options';

/** How long a store may take before it counts as unreachable, in milliseconds. */
const STORE_TIMEOUT_MS = 2_000;
/** How long an unreachable store is left alone, in milliseconds. */
const RETRY_PAUSE_MS = 1_000;

type Units = Record<string, number>;

interface MemberRecord {
  /** Number, time and bucket of the process's last update. */
  readonly number: number;
  readonly at: number;
  readonly bucket: number;
  readonly held: number;
  readonly spent: Units;
}

/** The record of one budget in the store, as JSON. */
interface BudgetRecord {
  members: Record<string, MemberRecord>;
  /**
   * Units by bucket: `gone` were spent by processes that have left, `carried` were restored after the store had lost
   * the record.
   */
  gone: Units;
  carried: Units;
  shortUntil: number;
  /** After a loss: when a process last reported, how many processes are expected to report, and how many have. */
  carriedAt: number;
  expected: number;
  returned: number;
  /** Whether the number of processes to expect is unknown. */
  isUnknown: boolean;
}

/** A budget in a store of the application. The steps are the same as in Redis, on one record. */
export function storeCounter(store: BudgetStore, key: string, ttlMs: number): BudgetCounter {
  let state: BudgetCounter['state'] = 'up';
  let hasBeenDown = false;
  let pausedUntil = -Infinity;
  const run = async (update: BudgetUpdate): Promise<BudgetReply> => {
    let reply: BudgetReply | undefined;
    const change = (text: string | undefined): string => {
      const record = parseRecord(text);
      reply = applyUpdate(record, update, Date.now());
      return JSON.stringify(record);
    };
    const done = await within(
      store.update(key, change, ttlMs).then(() => true),
      STORE_TIMEOUT_MS,
    );
    if (!done || !reply) throw new Error('the budget store did not answer in time');
    return reply;
  };
  return {
    get state() {
      return state;
    },
    get hasBeenDown() {
      return hasBeenDown;
    },
    now: () => Date.now(),
    async update(update) {
      if (performance.now() < pausedUntil) throw new Error('the budget store is unreachable');
      try {
        const reply = await run(update);
        state = 'up';
        return reply;
      } catch (error) {
        state = 'down';
        hasBeenDown = true;
        pausedUntil = performance.now() + RETRY_PAUSE_MS;
        throw error;
      }
    },
  };
}

/** Applies an update to the record, which the caller then stores. */
function applyUpdate(record: BudgetRecord, update: BudgetUpdate, now: number): BudgetReply {
  const { member, number, oldest, carried, isLeaving } = update;
  const last = record.members[member];
  let granted = 0;
  const isLost = last === undefined && number > 1 && carried === undefined;
  if (!isLost && (last === undefined || last.number < number)) {
    if (carried) {
      for (const [bucket, units] of carried)
        record.carried[bucket] = Math.max(record.carried[bucket] ?? 0, units);
      const isEmpty = Object.keys(record.members).length === 0;
      if (update.members > 0 || isEmpty) record.carriedAt = now;
      if (update.members === 0) record.isUnknown ||= isEmpty;
      else if (last === undefined) record.returned++;
      record.expected = Math.max(record.expected, update.members);
    }
    const spent = { ...last?.spent };
    for (const [bucket, units] of update.spent) spent[bucket] = Math.max(spent[bucket] ?? 0, units);
    record.members[member] = { number, at: now, bucket: update.bucket, held: update.held, spent };
    prune(record, oldest);
    const isMissing = record.returned < record.expected || (record.expected === 0 && record.isUnknown);
    const isQuiet = now < record.carriedAt + (isMissing ? MAX_QUIET_MS : QUIET_MS);
    granted = isQuiet || isLeaving ? 0 : grantOf(record, update, now);
    if (update.isStarved || (update.least > 0 && granted < update.least)) record.shortUntil = now + SHORT_MS;
    record.members[member] = { number, at: now, bucket: update.bucket, held: update.held + granted, spent };
    if (isLeaving) remove(record, member);
  }
  return {
    granted,
    held: heldByAll(record),
    spent: totals(record),
    members: Math.max(1, countMembers(record, now)),
    isShort: now < record.shortUntil,
    isLost,
  };
}

function grantOf(
  record: BudgetRecord,
  { limit, held, least, need, ahead, oldest }: BudgetUpdate,
  now: number,
): number {
  let left = limit - heldByAll(record);
  for (const [bucket, units] of totals(record)) if (bucket >= oldest) left -= units;
  if (left <= 0) return 0;
  if (left < need) return left >= least ? left : 0;
  if (now < record.shortUntil) return need;
  const share = Math.floor((left + held) / (AHEAD_DIVISOR * Math.max(1, countMembers(record, now))));
  return need + Math.max(0, Math.min(ahead, share - held - need));
}

function heldByAll({ members }: BudgetRecord): number {
  return Object.values(members).reduce((sum, { held }) => sum + held, 0);
}

function countMembers({ members }: BudgetRecord, now: number): number {
  return Object.values(members).filter(({ at }) => now - at < MEMBER_MS).length;
}

function totals({ members, gone, carried }: BudgetRecord): BucketEntries {
  const sums = new Map<number, number>();
  for (const units of [gone, carried, ...Object.values(members).map(({ spent }) => spent)])
    for (const [bucket, count] of Object.entries(units))
      sums.set(Number(bucket), (sums.get(Number(bucket)) ?? 0) + count);
  return [...sums];
}

/**
 * Removes expired buckets and processes. A process that ended without leaving keeps its lease until its bucket has
 * expired.
 */
function prune(record: BudgetRecord, oldest: number): void {
  record.gone = since(record.gone, oldest);
  record.carried = since(record.carried, oldest);
  for (const [id, member] of Object.entries(record.members)) {
    if (member.bucket < oldest) remove(record, id);
    else record.members[id] = { ...member, spent: since(member.spent, oldest) };
  }
}

function remove(record: BudgetRecord, id: string): void {
  for (const [bucket, units] of Object.entries((record.members[id] as MemberRecord).spent))
    record.gone[bucket] = (record.gone[bucket] ?? 0) + units;
  record.members = Object.fromEntries(Object.entries(record.members).filter(([other]) => other !== id));
}

function since(units: Units, oldest: number): Units {
  return Object.fromEntries(Object.entries(units).filter(([bucket]) => Number(bucket) >= oldest));
}

/** Parses a record. A text that is not a record, because other software writes to the key, counts as lost. */
function parseRecord(text: string | undefined): BudgetRecord {
  const empty = {
    members: {},
    gone: {},
    carried: {},
    shortUntil: 0,
    carriedAt: 0,
    expected: 0,
    returned: 0,
    isUnknown: false,
  };
  try {
    const value: unknown = JSON.parse(text ?? 'null');
    return isObject(value) && isObject(value.members)
      ? { ...empty, ...(value as Partial<BudgetRecord>) }
      : empty;
  } catch {
    return empty;
  }
}
