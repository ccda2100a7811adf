import Bottleneck from 'bottleneck';
import type { GrantRequest } from '../cluster/quota-lease/grant-request';
import { startTimer, type Timer } from '../util/timers';
import type { Bucket } from './bucket';
import { type DayLimit, MemoryDayLimit } from './day-limit';

/** Keeps the account of one bucket, in memory or in Redis. It receives each change after the bucket has made it. */
export interface Limiter {
  /**
   * Milliseconds until the units can be reserved. Absent if the bucket alone decides.
   * @param bucketWaitMs What the bucket says.
   */
  waitMs?(units: number, bucketWaitMs: number, now: number): number;
  /** The next call of a queue waits for these units, and several processes may compete for them. */
  prefetch?(units: number, now: number): void;
  /** An attempt takes units. Returns a request if it must wait for the answer of Redis. */
  reserve(units: number): GrantRequest | undefined;
  /** Units that an attempt had taken are not needed. */
  refund(units: number): void;
  /** An attempt used more than it had taken. */
  overdraw(units: number): void;
  /** Headers have corrected the level by these units. */
  correct(units: number): void;
  close(): void;
}

/** A limit in units per minute, and how much of it can be saved up, in milliseconds of the limit. */
interface LimiterTerms {
  readonly limit: number;
  readonly depthMs: number;
}

/** Where the limiters of a quota are kept: in this process, or in Redis. `id` names the quota and the dimension. */
export interface LimiterStore {
  open(id: string, bucket: Bucket, terms: LimiterTerms): Limiter;
  /** The limit of an open limiter has changed. */
  configure(id: string, terms: LimiterTerms): void;
  openDayLimit(id: string, limit: number): DayLimit;
}

/** In this process. */
export const IN_MEMORY: LimiterStore = {
  open: (_id, bucket) => new MemoryLimiter(() => bucket.level(performance.now())),
  configure: () => undefined,
  openDayLimit: (_id, limit) => new MemoryDayLimit(limit),
};

/** The reservoir is set to the bucket's level this long after a change, in milliseconds. */
const SYNC_MS = 250;

/**
 * A Bottleneck limiter that keeps the account of one bucket in memory. The bucket decides, and the reservoir is set to
 * its level in batches: one write per call would cost a timer tick each.
 */
export class MemoryLimiter implements Limiter {
  readonly bottleneck: Bottleneck;
  readonly #level: () => number;
  /** What the reservoir was set to last. */
  #written: number;
  #timer: Timer | undefined;
  #isClosed = false;

  /** @param level The bucket's level now. */
  constructor(level: () => number) {
    this.#level = level;
    this.#written = Math.floor(level());
    // Without Bottleneck's own refill: its timer drifts and refills 14 to 30 % too little.
    this.bottleneck = new Bottleneck({ reservoir: this.#written });
  }

  reserve(): undefined {
    this.#scheduleWrite();
  }

  refund(): void {
    this.#scheduleWrite();
  }

  overdraw(): void {
    this.#scheduleWrite();
  }

  correct(): void {
    this.#scheduleWrite();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    void this.bottleneck.disconnect(true);
  }

  #scheduleWrite(): void {
    if (this.#isClosed) return;
    this.#timer ??= startTimer(() => this.#write(), SYNC_MS).unref();
  }

  #write(): void {
    this.#timer = undefined;
    const level = Math.floor(this.#level());
    const change = level - this.#written;
    this.#written = level;
    if (change !== 0) void this.bottleneck.incrementReservoir(change);
  }
}
