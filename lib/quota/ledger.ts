import Bottleneck from 'bottleneck';
import type { Hold } from '../cluster/quota-lease/grant-request';
import { startTimer, type Timer } from '../util/timers';
import type { Bucket } from './bucket';
import { type DayLimit, DayWindow } from './day-window';

/** The account of one bucket. The view, which is the bucket, has changed before the ledger is told. */
export interface Ledger {
  /**
   * Milliseconds until so many units can be reserved, where that isn't the view's own to say.
   * @param viewMs As the view has it.
   */
  waitMs?(units: number, viewMs: number, now: number): number;
  /** The next call of a queue waits for so many units: several processes may compete for them. */
  gather?(units: number, now: number): void;
  /** An attempt takes. Undefined where that stands; else it must wait for the hold's answer. */
  reserve(units: number): Hold | undefined;
  /** Units that an attempt had taken are not needed. */
  returned(units: number): void;
  /** An attempt used more than it had taken. */
  overdrawn(units: number): void;
  /** Headers have corrected the level by so much. */
  shifted(units: number): void;
  /** Whole units that it holds. */
  balance(): Promise<number>;
  close(): void;
}

/** Where the ledgers of a quota are kept. */
export interface Ledgers {
  /** @param id Of the quota and the dimension. */
  open(id: string, bucket: Bucket, terms: LedgerTerms): Ledger;
  /** The limit of a ledger that is open has changed. */
  configure(id: string, terms: LedgerTerms): void;
  /** A limit for any 24 hours. @param id Of the quota and the dimension. */
  day(id: string, limit: number): DayLimit;
}

/** A limit as it is configured. */
export interface LedgerTerms {
  /** Units a minute that are handed out at most. */
  readonly limit: number;
  readonly burstSeconds: number;
}

/** In this process. */
export const IN_MEMORY: Ledgers = {
  open: (_id, bucket) => new MemoryLedger(() => bucket.level(performance.now())),
  configure: () => undefined,
  day: (_id, limit) => new DayWindow(limit),
};

/** The ledger follows the view at most this often. */
const SYNC_MS = 250;

/**
 * A Bottleneck reservoir that keeps the account of one bucket. In memory the view's word is final and the ledger is
 * set to it in batches: a write a call would cost a timer tick each.
 */
export class MemoryLedger implements Ledger {
  readonly #limiter: Bottleneck;
  readonly #level: () => number;
  #written: number;
  #timer: Timer | undefined;
  #closed = false;

  constructor(level: () => number) {
    this.#level = level;
    this.#written = Math.floor(level());
    // Without Bottleneck's own refill: its timer drifts, and refills 14-30 % too little.
    this.#limiter = new Bottleneck({ reservoir: this.#written });
  }

  reserve(): undefined {
    this.#touch();
  }

  returned(): void {
    this.#touch();
  }

  overdrawn(): void {
    this.#touch();
  }

  shifted(): void {
    this.#touch();
  }

  /** What the reservoir holds, with what the view has done since the last write: its refill tells nobody. */
  async balance(): Promise<number> {
    if (!this.#closed) this.#write();
    return (await this.#limiter.currentReservoir()) ?? 0;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    void this.#limiter.disconnect(true);
  }

  /** The view has changed. Costs nothing while a write is due anyway. */
  #touch(): void {
    if (this.#closed) return;
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
