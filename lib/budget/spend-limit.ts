import type { GrantRequest } from '../util/grant-request';
import { BucketCounts, msUntilFreed } from './bucket-counts';
import type { Window } from './window';

/** Whether an amount can be reserved now. */
export type Room =
  | { readonly kind: 'free' }
  /** Attempts in flight have reserved the rest. They probably need less, and return the difference when they end. */
  | { readonly kind: 'reserved' }
  /**
   * The limit is spent. `waitMs` is the time until enough of it no longer counts; Infinity if the amount exceeds the
   * limit.
   */
  | { readonly kind: 'spent'; readonly waitMs: number }
  /** The store is unreachable, and this process has spent what it may spend without it. */
  | { readonly kind: 'unconfirmed'; readonly waitMs: number };

export const FREE: Room = { kind: 'free' };
export const RESERVED: Room = { kind: 'reserved' };

/** What one attempt has reserved from one limit. */
export interface Held {
  readonly units: number;
  /** The bucket in which the units are counted, no matter when the attempt ends. */
  readonly bucket: number;
  /** The request that the store must grant first; undefined if the units are already reserved. */
  readonly request?: GrantRequest;
}

/** Spent and reserved units of one limit. Units are whole numbers. */
export interface SpendLimit {
  /** Units per period. A change doesn't affect the units already counted. */
  limit: number;
  room(units: number): Room;
  /**
   * Reserves an amount for which there is room.
   * @param isForced Whether the amount is reserved even if the limit does not allow it.
   */
  take(units: number, isForced?: boolean): Held;
  /** Ends a reservation: `used` units are spent, and the rest is available again. */
  settle(held: Held, used: number): void;
  /**
   * The units that all processes have spent, as far as is known, and those that attempts of this process have reserved.
   */
  figures(): { readonly spent: number; readonly reserved: number };
  close(): Promise<void>;
}

/** A limit that this process counts by itself, in memory. */
export class MemorySpendLimit implements SpendLimit {
  readonly #window: Window;
  readonly #spent = new BucketCounts();
  #reserved = 0;

  constructor(
    window: Window,
    public limit: number,
  ) {
    this.#window = window;
  }

  room(units: number): Room {
    const now = Date.now();
    const spent = this.#spent.sum(this.#window.oldestAt(now));
    if (spent + this.#reserved + units <= this.limit) return FREE;
    const missing = spent + units - this.limit;
    if (missing <= 0) return RESERVED;
    return { kind: 'spent', waitMs: msUntilFreed(missing, this.#spent.entries(), this.#window, now) };
  }

  take(units: number): Held {
    this.#reserved += units;
    return { units, bucket: this.#window.bucketAt(Date.now()) };
  }

  settle({ units, bucket }: Held, used: number): void {
    this.#reserved -= units;
    this.#spent.add(bucket, used);
  }

  figures(): { spent: number; reserved: number } {
    return { spent: this.#spent.sum(this.#window.oldestAt(Date.now())), reserved: this.#reserved };
  }

  close(): Promise<void> {
    // No timers to stop.
    return Promise.resolve();
  }
}
