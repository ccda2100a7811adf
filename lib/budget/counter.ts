/*
 * The updates and replies with which processes share one budget, through Redis or a store of the application. A process
 * reports its own spending and lease as absolute figures, so that a report that is lost or sent twice changes nothing.
 */

export interface BudgetUpdate {
  /** Identifies the process. */
  readonly member: string;
  /** Number of the update, counted from 1 for each process: an older update that arrives late is ignored. */
  readonly number: number;
  readonly limit: number;
  /** The current bucket, and the oldest one that still counts. */
  readonly bucket: number;
  readonly oldest: number;
  /** Units that the process keeps of its lease. Attempts in flight have reserved at least a part of them. */
  readonly held: number;
  /** Units that the process has spent, by bucket. */
  readonly spent: BucketEntries;
  /** Units that the first waiting attempt needs. A smaller grant would be of no use. */
  readonly least: number;
  /** Units that all waiting attempts need. */
  readonly need: number;
  /** Units to lease in addition, for later attempts, if enough are left. */
  readonly ahead: number;
  /** Whether calls wait for units that other processes hold. */
  readonly isStarved: boolean;
  /**
   * What all processes had spent according to the last reply to this process, if the store has lost the budget since.
   * Empty if there was no reply and the store has been unreachable since this process began.
   */
  readonly carried?: BucketEntries;
  /** The number of processes according to the last reply; 0 if there was none. */
  readonly members: number;
  /** Whether the process is ending and returns its lease. */
  readonly isLeaving: boolean;
}

export type BucketEntries = readonly (readonly [bucket: number, units: number])[];

export interface BudgetReply {
  /** Units that are added to the process's lease. */
  readonly granted: number;
  /** Units that all processes hold as leases, including the granted units. */
  readonly held: number;
  /** Units that all processes have spent, by bucket. */
  readonly spent: BucketEntries;
  /** The number of processes that have the budget, including this one. */
  readonly members: number;
  /** Whether a process waits for units, so that all processes must return what no attempt has reserved. */
  readonly isShort: boolean;
  /**
   * Whether the store has lost what this process had reported. Nothing was counted: the update must be sent again, with
   * `carried`.
   */
  readonly isLost: boolean;
}

/** The shared count of one budget. */
export interface BudgetCounter {
  /** 'idle' before the first connection. */
  readonly state: 'idle' | 'up' | 'down';
  /** Whether the store has ever been unreachable: it may have lost the budget since. */
  readonly hasBeenDown: boolean;
  /** Applies an update in one atomic step. Rejects if the store is unreachable. */
  update(update: BudgetUpdate): Promise<BudgetReply>;
  /** The time in Unix milliseconds on a clock that all processes share as far as possible. */
  now(): number;
}

/** A process without an update for this long no longer counts as one that shares the budget, in milliseconds. */
export const MEMBER_MS = 10_000;
/** How long all processes return what they don't use after one has been short of units, in milliseconds. */
export const SHORT_MS = 2_000;
/**
 * How long nothing is granted after the store has lost the budget, in milliseconds, so that all processes can first
 * report the leases that they still hold: MAX_QUIET_MS if fewer processes have reported than there were before,
 * otherwise QUIET_MS.
 */
export const QUIET_MS = 3_000;
export const MAX_QUIET_MS = 10_000;
/** How often expired buckets and members are removed, in milliseconds. */
export const PRUNE_MS = 5_000;
/**
 * A process leases ahead until it holds 1 / (AHEAD_DIVISOR * number of processes) of the sum of what is left and what
 * it already holds.
 */
export const AHEAD_DIVISOR = 2;
