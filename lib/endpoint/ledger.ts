import Bottleneck from 'bottleneck';

/** The ledger follows the view at most this often. */
const SYNC_MS = 250;

/**
 * A Bottleneck reservoir that keeps the account of one bucket. In memory the view's word is final and the ledger is
 * set to it in batches: a write a call would cost a timer tick each.
 */
export class Ledger {
  readonly #limiter: Bottleneck;
  readonly #level: () => number;
  #written: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(level: () => number) {
    this.#level = level;
    this.#written = Math.floor(level());
    // Without Bottleneck's own refill: its timer drifts, and refills 14-30 % too little.
    this.#limiter = new Bottleneck({ reservoir: this.#written });
  }

  /** Says that the view has changed. Costs nothing while a write is due anyway. */
  touch(): void {
    if (this.#closed) return;
    this.#timer ??= setTimeout(() => this.#write(), SYNC_MS).unref();
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

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const level = Math.floor(this.#level());
    const change = level - this.#written;
    this.#written = level;
    if (change !== 0) void this.#limiter.incrementReservoir(change);
  }
}
