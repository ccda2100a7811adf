import { startTimer, type Timer } from '../../util/timers';
import { GrantQueue, type GrantRequest } from './grant-request';
import type { LeaseTerms } from './lease-terms';
import { leaseMs } from './lease-terms';
import { FLUSH_MS } from './lease-times';
import type { LimiterUnits } from './ledger-units';
import type { LeasedBucket, SharedLimiter } from './local-view';
import { UnusedLease } from './unused-lease';

/** A lease that nobody has used for so long goes back. */
const IDLE_MS = 1_000;
/** One that is gathered for a call that waits stays so long after the call was last heard of. */
const PREFETCH_MS = 2_000;
/** How long a process leaves a drained ledger alone, in milliseconds: for each member, and at most. */
const PAUSE_MS = 80;
const MAX_PAUSE_MS = 640;

export interface QuotaLeaseParts {
  readonly bucket: LeasedBucket;
  readonly limiter: SharedLimiter;
  readonly units: LimiterUnits;
  /** A lease has come in that a call in a queue may have waited for. */
  onCapacity(): void;
  /** The ledger has answered. */
  onReply(): void;
}

/** What a question asks for, in our units; what is given back and the price in the ledger's. */
interface LimiterUpdate {
  readonly requested: number;
  readonly cost: number;
  readonly overdraft: number;
  readonly correction: number;
  readonly refund: number;
  readonly requests: ReadonlySet<GrantRequest>;
}

/**
 * What a process has in hand of a ledger in Redis, and the one question at a time by which it asks for more, tells what
 * it owes, and gives back what it doesn't use. While it is suspended it asks nothing.
 */
export class QuotaLease {
  readonly #parts: QuotaLeaseParts;
  /** In hand, and reserved by nobody. */
  readonly #unused = new UnusedLease();
  #terms: LeaseTerms;
  #members = 1;
  #maximum = Infinity;
  /** Used without asking: usage above the estimate. */
  #overdraft = 0;
  /** Corrections by headers that the ledger has not been told. */
  #correction = 0;
  /** Units of the ledger on their way back. */
  #pendingRefund = 0;
  readonly #requests: GrantQueue;
  #isOpen = false;
  #isUpdating = false;
  /** The ledger's level is not known, or no longer. */
  #isLevelUnknown = true;
  /** Counts suspensions: an answer from before one is no answer. */
  #epoch = 0;
  #usedAt = -Infinity;
  /** The lease doesn't cover another call like the last. */
  #isLow = false;
  /** Units that the call at the head of the queue waits for, and when it last said so. */
  #prefetchUnits = 0;
  #prefetchedAt = -Infinity;
  #pausedUntil = -Infinity;
  #timer: Timer | undefined;

  constructor(parts: QuotaLeaseParts, terms: LeaseTerms) {
    this.#parts = parts;
    this.#terms = terms;
    this.#requests = new GrantQueue((units) => parts.bucket.put(units, performance.now()));
  }

  /** @param maximum The most that the ledger holds, in its units. */
  configure(terms: LeaseTerms, members: number, maximum: number): void {
    this.#terms = terms;
    this.#members = members;
    this.#maximum = maximum;
  }

  /** What the ledger holds, as far as we know. */
  limiterLevel(now: number): number {
    return this.#parts.bucket.level(now) + this.#requests.units - this.#unused.units;
  }

  /** Covers what the view has just given out. Undefined where the lease in hand does: nothing is to be waited for. */
  reserve(units: number): GrantRequest | undefined {
    const now = performance.now();
    // Whoever is called once in a while would give it back unused.
    const isBusy = now - this.#usedAt < IDLE_MS;
    this.#usedAt = now;
    if (this.#requests.isEmpty && this.#unused.covers(units)) {
      this.#unused.take(units);
      this.#isLow = isBusy && !this.#unused.covers(units) && this.#pausedUntil <= now;
      // The next call finds it in hand, and doesn't wait for it; nor does this one, which is sent first.
      if (this.#isLow) setImmediate(() => void this.#updateLimiter());
      return undefined;
    }
    // After this turn, so that one request to Redis serves all calls of the turn.
    if (this.#requests.isEmpty) queueMicrotask(() => void this.#updateLimiter());
    return this.#requests.add(units);
  }

  /** @param bucketWaitMs The wait as the view has it. */
  waitMs(units: number, bucketWaitMs: number, now: number): number {
    // The lease in hand is ours, whatever the ledger holds.
    if (this.#requests.isEmpty && this.#unused.covers(units)) return 0;
    return Math.max(bucketWaitMs, this.#pausedUntil - now);
  }

  prefetch(units: number, now: number): void {
    this.#prefetchUnits = Math.min(units, this.#parts.bucket.depth);
    this.#prefetchedAt = now;
    if (this.#pausedUntil <= now && !this.#unused.covers(this.#prefetchUnits)) void this.#updateLimiter();
  }

  refund(units: number): void {
    this.#unused.add(units, this.#parts.units.toLimiter(units));
    this.#grantRequests();
    this.#scheduleFlush();
  }

  overdraw(units: number): void {
    const covered = Math.min(units, this.#unused.units);
    this.#unused.take(covered);
    this.#overdraft += units - covered;
    this.#scheduleFlush();
  }

  correct(units: number): void {
    this.#correction += units;
    this.#scheduleFlush();
  }

  /** Asks from now on, at once for the ledger's level. */
  open(): void {
    this.#isOpen = true;
    this.#isLevelUnknown = true;
    void this.#updateLimiter();
  }

  /** Asks nothing any more. Gives what is in hand, what the ledger has not been told, and who waits. */
  suspend(): {
    readonly unusedUnits: number;
    readonly unreported: number;
    readonly requests: GrantRequest[];
  } {
    this.#isOpen = this.#isUpdating = false;
    this.#epoch++;
    const unusedUnits = this.#unused.units;
    const unreported =
      this.#overdraft - this.#correction - this.#parts.units.fromLimiter(this.#pendingRefund);
    this.#unused.clear();
    this.#overdraft = this.#correction = this.#pendingRefund = 0;
    return { unusedUnits, unreported, requests: this.#requests.drain() };
  }

  /** Gives everything back. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const refund = Math.floor(this.#pendingRefund + this.#unused.take(this.#unused.units));
    if (this.#isOpen && refund > 0) this.#parts.limiter.take(-refund).catch(() => undefined);
    for (const request of this.suspend().requests) request.decide(false);
  }

  /** The units of one lease. */
  get #size(): number {
    const { limit, depthMs } = this.#terms;
    return (leaseMs(depthMs, this.#members) * limit * this.#parts.bucket.limitShare) / 60_000;
  }

  #grantRequests(): void {
    this.#requests.grant((units) => {
      const isCovered = this.#unused.covers(units);
      if (isCovered) this.#unused.take(units);
      return isCovered;
    });
  }

  /** Asks for what is waited for, tells what is owed, and gives back what is left over: in one step. */
  async #updateLimiter(): Promise<void> {
    if (this.#isUpdating || !this.#isOpen) return;
    const update = this.#nextUpdate();
    if (!update) return;
    this.#isUpdating = true;
    const { limiter, units } = this.#parts;
    const { cost, overdraft, correction, refund } = update;
    const taken = cost + units.toLimiter(overdraft) - units.toLimiter(correction) - refund;
    const epoch = this.#epoch;
    let left: number;
    try {
      left = await limiter.take(taken);
    } catch {
      if (epoch !== this.#epoch) return;
      // Nobody knows whether it was taken. The next flush tries again.
      this.#overdraft += overdraft;
      this.#correction += correction;
      this.#pendingRefund += refund;
      this.#isUpdating = false;
      this.#scheduleFlush();
      return;
    }
    if (epoch !== this.#epoch) {
      // It came too late to count on: an outage lay between.
      limiter.take(-cost).catch(() => undefined);
      return;
    }
    this.#isUpdating = this.#isLevelUnknown = false;
    this.#parts.onReply();
    this.#applyReply(update, units.fromLimiter(left - this.#retakeRefilled(taken, left)));
    this.#scheduleFlush();
    if (!this.#requests.isEmpty) void this.#updateLimiter();
  }

  /**
   * Bottleneck takes first and refills then: what is taken of a bucket that has been full for a while comes back at
   * once, as if it had never been taken. It is taken again, which nobody waits for.
   */
  #retakeRefilled(taken: number, left: number): number {
    const refilled = taken > 0 ? Math.min(taken, Math.max(0, left - (this.#maximum - taken))) : 0;
    if (refilled > 0) this.#parts.limiter.take(refilled).catch(() => undefined);
    return refilled;
  }

  #nextUpdate(): LimiterUpdate | undefined {
    const requested = this.#unitsToRequest(performance.now());
    const refund = Math.floor(this.#pendingRefund);
    const overdraft = this.#overdraft;
    const correction = this.#correction;
    if (requested === 0 && overdraft === 0 && correction === 0 && refund === 0 && !this.#isLevelUnknown)
      return undefined;
    this.#overdraft = this.#correction = 0;
    this.#pendingRefund -= refund;
    const cost = this.#parts.units.cost(requested);
    return { requested, cost, overdraft, correction, refund, requests: this.#requests.snapshot() };
  }

  /** The holds' units, and a lease on top where the ledger has that much to spare. */
  #unitsToRequest(now: number): number {
    const isPrefetching = now - this.#prefetchedAt < PREFETCH_MS;
    const ahead = this.#isLow ? this.#size : 0;
    this.#isLow = false;
    const needed = Math.max(this.#requests.units, isPrefetching ? this.#prefetchUnits : ahead);
    const need = Math.max(0, needed - this.#unused.units);
    if (need === 0) return 0;
    const available = this.limiterLevel(now) - this.#parts.bucket.headroom;
    // Nobody waits for the answer yet: no more than what should be there for this process.
    if (this.#requests.isEmpty) return Math.max(0, Math.min(need, available));
    return need + Math.max(0, Math.min(this.#size, available - need));
  }

  /** @param left What the ledger held after the question. */
  #applyReply({ requested, cost, correction, requests }: LimiterUpdate, left: number): void {
    const { limiter, units, bucket } = this.#parts;
    const { depth, headroom } = bucket;
    // A call larger than the depth starts on a full bucket, and leaves a debt.
    const floor = Math.min(headroom, depth - this.#requests.first);
    const refused = Math.min(requested, Math.max(0, floor - left));
    // A correction says what is left, and never makes a debt; nor more than the bucket holds.
    const tooLow = correction < 0 ? Math.min(-correction, Math.max(0, -(left + refused))) : 0;
    const tooHigh = correction > 0 ? Math.min(correction, Math.max(0, left - depth)) : 0;
    const refusedCost = requested > 0 ? Math.floor((cost * refused) / requested) : 0;
    const undo = refusedCost + units.toLimiter(tooLow) - units.toLimiter(tooHigh);
    if (undo !== 0) limiter.take(-undo).catch(() => undefined);
    this.#unused.add(requested - refused, cost - refusedCost);
    this.#grantRequests();
    const now = performance.now();
    this.#requests.refuse(requests);
    bucket.syncLevel(left + refused + tooLow - tooHigh + this.#unused.units - this.#requests.units, now);
    if (left + refused < headroom + this.#size) {
      // The ledger is drained: who asks as soon as something might be there gets it in ever smaller parts. And each
      // asker takes what has come in since the one before: in a fixed order the same one would always be late.
      this.#pausedUntil = now + Math.min(MAX_PAUSE_MS, PAUSE_MS * this.#members) * (0.5 + Math.random());
    }
    if (requested > refused) this.#parts.onCapacity();
  }

  /** Gives back what is in hand beyond a lease, and all of it after a while without use. */
  #flush(): void {
    const now = performance.now();
    if (this.#isOpen && this.#requests.isEmpty) {
      const isPrefetching = now - this.#prefetchedAt < PREFETCH_MS;
      const isIdle = now - this.#usedAt >= IDLE_MS;
      const keptUnits = isPrefetching ? this.#unused.units : isIdle ? 0 : this.#size;
      if (this.#unused.units > keptUnits)
        this.#pendingRefund += this.#unused.take(this.#unused.units - keptUnits);
    }
    void this.#updateLimiter();
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (!this.#isOpen) return;
    const hasUnreported = this.#overdraft > 0 || this.#correction !== 0 || this.#pendingRefund >= 1;
    if (!hasUnreported && this.#unused.units === 0 && this.#requests.isEmpty) return;
    this.#timer ??= startTimer(() => {
      this.#timer = undefined;
      this.#flush();
    }, FLUSH_MS).unref();
  }
}
