/*
 * What processes tell each other about one budget, through Redis or a store of the app. A process reports its own spending
 * and lease as absolute figures, so that a report which is lost, or sent twice, changes nothing.
 */

export interface BudgetUpdate {
  /** Identifies the process. */
  readonly member: string;
  /** Counts the updates of the process from 1: an older one that arrives late is ignored. */
  readonly number: number;
  readonly limit: number;
  /** The bucket of the present time, and the oldest one that still counts. */
  readonly bucket: number;
  readonly oldest: number;
  /** What the process keeps of its lease; attempts in flight have reserved at least a part of it. */
  readonly held: number;
  /** What the process has spent. */
  readonly spent: BucketEntries;
  /** Units that the first waiting attempt needs: fewer are of no use. */
  readonly least: number;
  /** Units that all waiting attempts need. */
  readonly need: number;
  /** Units to lease ahead, if there is plenty. */
  readonly ahead: number;
  /** Whether calls wait for units that others hold. */
  readonly isStarved: boolean;
  /**
   * What all had spent by this process's last reply, if the store has lost the budget since. Empty if there was none, and
   * the store has been unreachable since the process began.
   */
  readonly carried?: BucketEntries;
  /** The number of processes by the last reply; 0 without one. */
  readonly members: number;
  /** The process ends: its lease goes back. */
  readonly isLeaving: boolean;
}

export type BucketEntries = readonly (readonly [bucket: number, units: number])[];

export interface BudgetReply {
  /** Units that are added to the process's lease. */
  readonly granted: number;
  /** The leases of all processes, this one's with what was granted. */
  readonly held: number;
  /** What all processes have spent. */
  readonly spent: BucketEntries;
  /** Processes that have the budget, this one included. */
  readonly members: number;
  /** A process waits for units: all give back what no attempt has reserved. */
  readonly isShort: boolean;
  /** The store has lost what this process had reported. Nothing was counted: it must be sent again, with `carried`. */
  readonly isLost: boolean;
}

/** One budget, where all processes count it. */
export interface BudgetCounter {
  /** 'idle' before the first connection. */
  readonly state: 'idle' | 'up' | 'down';
  /** Whether it has ever been unreachable: it may have lost everything since. */
  readonly hasBeenDown: boolean;
  /** One atomic step. Rejects if the store is unreachable. */
  update(update: BudgetUpdate): Promise<BudgetReply>;
  /** Unix milliseconds on a clock that all processes share as far as possible. */
  now(): number;
}

/** A process without an update for this long no longer counts as one that shares the budget. */
export const MEMBER_MS = 10_000;
/** How long all give back what they don't use after one process has been short of it. */
export const SHORT_MS = 2_000;
/**
 * After a loss nothing is granted for QUIET_MS: first all processes report the leases that they still hold. If fewer have
 * done so than there were before, nothing is granted for MAX_QUIET_MS.
 */
export const QUIET_MS = 3_000;
export const MAX_QUIET_MS = 10_000;
/** How often expired buckets and members are removed. */
export const PRUNE_MS = 5_000;
/**
 * A process leases ahead until it holds at most this part of what is left and what it holds already, divided by the number
 * of processes.
 */
export const AHEAD_DIVISOR = 2;
