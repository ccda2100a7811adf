import Bottleneck from 'bottleneck';
import type { GrantRequest } from '../cluster/quota-lease/grant-request';
import { startTimer, type Timer } from '../util/timers';
import type { Bucket } from './bucket';
import { type DayLimit, MemoryDayLimit } from './day-limit';

/** The account of one bucket. The view, which is the bucket, has changed before the ledger is told. */
export interface Limiter {
  /**
   * Milliseconds until so many units can be reserved, where that isn't the view's own to say.
   * @param bucketWaitMs As the view has it.
   */
  waitMs?(units: number, bucketWaitMs: number, now: number): number;
  /** The next call of a queue waits for so many units: several processes may compete for them. */
  prefetch?(units: number, now: number): void;
  /** An attempt takes. Undefined where that stands; else it must wait for the hold's answer. */
  reserve(units: number): GrantRequest | undefined;
  /** Units that an attempt had taken are not needed. */
  refund(units: number): void;
  /** An attempt used more than it had taken. */
  overdraw(units: number): void;
  /** Headers have corrected the level by so much. */
  correct(units: number): void;
  /** Whole units that it holds. */
  reservoir(): Promise<number>;
  close(): void;
}

/** Where the ledgers of a quota are kept. */
export interface LimiterStore {
  /** @param id Of the quota and the dimension. */
  open(id: string, bucket: Bucket, options: LimiterOptions): Limiter;
  /** The limit of a ledger that is open has changed. */
  configure(id: string, options: LimiterOptions): void;
  /** A limit for any 24 hours. @param id Of the quota and the dimension. */
  day(id: string, limit: number): DayLimit;
}

/** A limit as it is configured. */
export interface LimiterOptions {
  /** Units a minute that are handed out at most. */
  readonly limit: number;
  readonly burstSeconds: number;
}

/** In this process. */
export const IN_MEMORY: LimiterStore = {
  open: (_id, bucket) => new MemoryLimiter(() => bucket.level(performance.now())),
  configure: () => undefined,
  day: (_id, limit) => new MemoryDayLimit(limit),
};

/** The ledger follows the view at most this often. */
const SYNC_MS = 250;

/**
 * A Bottleneck reservoir that keeps the account of one bucket. In memory the view's word is final and the ledger is
 * set to it in batches: a write a call would cost a timer tick each.
 */
export class MemoryLimiter implements Limiter {
  readonly #limiter: Bottleneck;
  readonly #level: () => number;
  #written: number;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(level: () => number) {
    this.#level = level;
    this.#written = Math.floor(level());
    // Without Bottleneck's own refill: its timer drifts, and refills 14-30 % too little.
    this.#limiter = new Bottleneck({ reservoir: this.#written });
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

  /** What the reservoir holds, with what the view has done since the last write: its refill tells nobody. */
  async reservoir(): Promise<number> {
    if (!this.#isClosed) this.#write();
    return (await this.#limiter.currentReservoir()) ?? 0;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    void this.#limiter.disconnect(true);
  }

  /** The view has changed. Costs nothing while a write is due anyway. */
  #scheduleWrite(): void {
    if (this.#isClosed) return;
    this.#timer ??= startTimer(() => this.#write(), SYNC_MS).unref();
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const level = Math.floor(this.#level());
    const change = level - this.#written;
    this.#written = level;
    if (change !== 0) void this.#limiter.incrementReservoir(change);
  }
}
