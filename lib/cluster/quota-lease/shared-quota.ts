import { startTimer, type Timer } from '../../util/timers';
import type { ClusterMode } from '../options';
import type { Hold } from './grant-request';
import { type LeaseTerms, ledgerDepthMs } from './lease-terms';
import { CLOSED_MS, FLUSH_MS } from './lease-times';
import { LedgerUnits } from './ledger-units';
import type { LeaseLedger, LeaseView } from './local-view';
import { OutageShare } from './outage-share';
import { Lease } from './quota-lease';

/** How many times, a flush apart, a process tells what it used without Redis before it asks for more. */
const REJOIN_STEPS = 4;

/**
 * One limit of a quota that many processes share. The view answers at once; what it lets through is covered by a lease,
 * taken from the ledger in one step, so that most calls cost no round trip. A call that finds the lease used up waits
 * for the next one. Without Redis each process goes on with its share, as the view has it.
 */
export class LeaseAccount {
  readonly #view: LeaseView;
  readonly #ledger: LeaseLedger;
  readonly #units: LedgerUnits;
  readonly #lease: Lease;
  #mode: ClusterMode = 'starting';
  #members = 1;
  #terms: LeaseTerms;
  /** Without Redis, and until it has been told what was used meanwhile. */
  #outage: OutageShare | undefined;
  #rejoin: Timer | undefined;
  #isTelling = false;
  #onAnswer: () => void = () => undefined;
  /** Resolves when the ledger has told its level, or can't be asked. */
  readonly answered = new Promise<void>((resolve) => {
    this.#onAnswer = resolve;
  });

  /** @param onRoom Told when a lease has come in that a call in a queue may have waited for. */
  constructor(view: LeaseView, ledger: LeaseLedger, terms: LeaseTerms, onRoom: () => void = () => undefined) {
    this.#view = view;
    this.#ledger = ledger;
    this.#terms = terms;
    this.#units = new LedgerUnits(view);
    const onAnswer = (): void => {
      this.#outage = undefined;
      this.#onAnswer();
    };
    this.#lease = new Lease({ view, ledger, units: this.#units, onRoom, onAnswer }, terms);
  }

  /** Covers what the view has just given out. Undefined where the lease in hand does: nothing is to be waited for. */
  reserve(units: number): Hold | undefined {
    return this.#isLocal ? undefined : this.#lease.reserve(units);
  }

  /**
   * Milliseconds until so many units can be reserved.
   * @param viewMs As the view has it.
   */
  waitMs(units: number, viewMs: number, now: number): number {
    if (this.#mode === 'closed') return CLOSED_MS;
    return this.#isLocal ? viewMs : this.#lease.waitMs(units, viewMs, now);
  }

  /** A call waits for so many units: they are gathered bit by bit, or those who want less would always be faster. */
  prefetch(units: number, now: number): void {
    if (!this.#isLocal) this.#lease.gather(units, now);
  }

  /** What had been covered is not needed. */
  refund(units: number): void {
    if (!this.#isLocal) this.#lease.returned(units);
  }

  /** More was used than had been covered. */
  overdraw(units: number): void {
    if (!this.#isLocal) this.#lease.overdrawn(units);
  }

  /** The provider's own count has corrected the view by so much. */
  correct(units: number): void {
    if (!this.#isLocal) this.#lease.shifted(units);
  }

  /** The terms or the number of members have changed. */
  configure(terms: LeaseTerms, members: number): void {
    this.#terms = terms;
    this.#members = Math.max(1, members);
    const heldMs = ledgerDepthMs(terms.depthMs, this.#members);
    const maximum = Math.round(terms.limit * heldMs);
    this.#lease.configure(terms, this.#members, maximum);
    this.#view.setSharing(heldMs, this.#members);
    // Where it fails, Redis is away, and the next beat configures again.
    this.#ledger.configure({ rate: terms.limit, maximum }).catch(() => undefined);
  }

  setMode(mode: ClusterMode, now: number): void {
    if (mode === this.#mode) return;
    const wasLocal = this.#isLocal;
    this.#mode = mode;
    clearTimeout(this.#rejoin);
    this.#rejoin = undefined;
    if (mode !== 'shared') {
      if (!wasLocal) this.#goLocal(now);
    } else if (wasLocal) {
      this.#tell(REJOIN_STEPS);
    } else {
      this.#lease.open();
    }
  }

  /** Units of the ledger to make it with where Redis has lost it, or never had it. */
  initialLevel(): number {
    const now = performance.now();
    if (this.#outage) return this.#units.to(this.#outage.wholeLevel(this.#rate, now));
    return this.#units.to(Math.min(this.#view.depth, this.#lease.ledgerLevel(now)));
  }

  async reservoir(): Promise<number> {
    return Math.floor(this.#units.from(await this.#ledger.level()));
  }

  close(): void {
    clearTimeout(this.#rejoin);
    this.#rejoin = undefined;
    this.#lease.close();
    this.#onAnswer();
    this.#mode = 'closed';
    this.#ledger.close();
  }

  get #isLocal(): boolean {
    return (this.#mode !== 'shared' && this.#mode !== 'starting') || this.#rejoin !== undefined;
  }

  /** The ledger's refill, in units a millisecond. */
  get #rate(): number {
    return (this.#terms.limit * this.#view.limitShare) / 60_000;
  }

  /** Redis is away: what it holds is divided among the members, and each goes on with its part. */
  #goLocal(now: number): void {
    const ledger = this.#lease.ledgerLevel(now);
    const { inHand, untold, holds } = this.#lease.suspend();
    const share = this.#mode === 'local-share' ? 1 / this.#members : 1;
    // What Redis has not been told yet is told with the rest when it is back.
    this.#outage = new OutageShare({ ledger, depth: this.#view.depth, share, untold, now });
    const reserved = holds.reduce((sum, { units }) => sum + units, 0);
    this.#view.setShare(share, this.#outage.start + inHand - reserved, now);
    this.#onAnswer();
    // The last come are the first to go where the share doesn't reach for all.
    for (const hold of holds.reverse()) {
      const isGranted = this.#mode !== 'closed' && this.#view.level(now) >= 0;
      if (!isGranted) this.#view.put(hold.units, now);
      hold.settle(isGranted);
    }
  }

  /**
   * Redis is back, and hears what was used meanwhile. For a second the process lives on its share still: whoever came
   * back first would take the shares of those who have not told yet for free.
   */
  #tell(steps: number): void {
    const now = performance.now();
    const news = this.#outage?.news(this.#view.level(now), this.#rate, now) ?? 0;
    if (steps === 0) {
      this.#rejoin = undefined;
      this.#isTelling = false;
      // From now on the ledger's word counts.
      this.#view.setShare(1, this.#view.level(now), now);
      this.#lease.shifted(-news);
      this.#lease.open();
      return;
    }
    this.#rejoin = startTimer(() => this.#tell(steps - 1), FLUSH_MS).unref();
    if (!this.#isTelling) void this.#report(news);
  }

  async #report(news: number): Promise<void> {
    const outage = this.#outage;
    this.#isTelling = true;
    try {
      const units = this.#units.to(news);
      const left = await this.#ledger.take(units);
      outage?.tell(news);
      // What is told never makes a debt.
      const tooLow = Math.min(units, -left);
      if (tooLow > 0) await this.#ledger.take(-tooLow);
    } catch {
      // Redis is away again: it is told the next time.
    } finally {
      if (outage === this.#outage) this.#isTelling = false;
    }
  }
}
