import type { GrantRequest } from '../util/grant-request';
import { BucketCounts, msUntilFreed } from './bucket-counts';
import type { Window } from './window';

/** Whether an amount can be reserved now. */
export type Room =
  | { readonly kind: 'free' }
  /** Attempts in flight have reserved what is left. They probably need less, and give the rest back when they end. */
  | { readonly kind: 'reserved' }
  /** It is spent. @param waitMs Until enough of it counts no longer; Infinity if the amount is more than the limit. */
  | { readonly kind: 'spent'; readonly waitMs: number }
  /** The store can't be asked, and what this process may spend without it is spent. */
  | { readonly kind: 'unconfirmed'; readonly waitMs: number };

export const FREE: Room = { kind: 'free' };
export const RESERVED: Room = { kind: 'reserved' };

/** What one attempt has reserved from one limit. */
export interface Held {
  readonly units: number;
  /** The bucket in which it is counted, whenever it ends. */
  readonly bucket: number;
  /** Present if the attempt must wait for the store's answer. */
  readonly request?: GrantRequest;
}

/** The account of one limit: what is spent and what is reserved. Units are whole. */
export interface SpendLimit {
  /** Units per period. May change; what was counted stays. */
  limit: number;
  room(units: number): Room;
  /**
   * Reserves an amount for which there is room.
   * @param isForced Whether it is reserved although the limit does not allow it.
   */
  take(units: number, isForced?: boolean): Held;
  /** Ends a reservation: `used` units are spent, the rest comes back. */
  settle(held: Held, used: number): void;
  /** What is spent, by all processes as far as it is known, and what attempts of this process have reserved. */
  figures(): { readonly spent: number; readonly reserved: number };
  close(): Promise<void>;
}

/** In this process. */
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
