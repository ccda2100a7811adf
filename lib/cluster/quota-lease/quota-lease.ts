import { startTimer, type Timer } from '../../util/timers';
import { GrantQueue, type GrantRequest } from './grant-request';
import { LeaseBalance, type Unreported } from './lease-balance';
import { FLUSH_MS, type LeaseTerms, leaseMs } from './lease-terms';
import { costInLimiter, fromLimiter, type LeasedBucket, type SharedLimiter, toLimiter } from './ports';

/** A lease that nobody has used for this long is returned. */
const IDLE_MS = 1_000;
/** How long units are kept for a waiting call after its last request. */
const PREFETCH_MS = 2_000;
/** How long a process leaves a drained limiter alone, in milliseconds: per process, and at most. */
const PAUSE_MS = 80;
const MAX_PAUSE_MS = 640;

export interface QuotaLeaseParts {
  readonly bucket: LeasedBucket;
  readonly limiter: SharedLimiter;
  /** A lease has come in that a queued call may be waiting for. */
  readonly onCapacity: () => void;
  /** The limiter has answered. */
  readonly onReply: () => void;
}

/** A reply belongs to the state object during which its request was sent: after a suspension it comes too late. */
type State =
  | { readonly kind: 'suspended' }
  | { readonly kind: 'idle'; readonly isLevelKnown: boolean }
  | { readonly kind: 'updating'; readonly isLevelKnown: boolean };

interface LimiterUpdate extends Unreported {
  readonly requested: number;
  /** Of what is requested, in units of the limiter. */
  readonly cost: number;
  readonly requests: ReadonlySet<GrantRequest>;
}

/**
 * The quota that a process has taken ahead from the limiter in Redis. One update at a time asks for more, reports what was
 * used without a lease, and returns what isn't used. While it is suspended it sends nothing.
 */
export class QuotaLease {
  readonly #parts: QuotaLeaseParts;
  readonly #balance = new LeaseBalance();
  readonly #requests: GrantQueue;
  #state: State = { kind: 'suspended' };
  #terms: LeaseTerms;
  #members = 1;
  #maximum = Infinity;
  #usedAt = -Infinity;
  /** The lease has to be renewed: it covers no other call like the last one, or not until the next lease is there. */
  #isLow = false;
  /** Units that the first queued call waits for, and when it last said so. */
  #prefetchUnits = 0;
  #prefetchedAt = -Infinity;
  #pausedUntil = -Infinity;
  #flushTimer: Timer | undefined;

  constructor(parts: QuotaLeaseParts, terms: LeaseTerms) {
    this.#parts = parts;
    this.#terms = terms;
    this.#requests = new GrantQueue((units) => parts.bucket.put(units, performance.now()));
  }

  /** @param maximum Of the limiter, in its units. */
  configure(terms: LeaseTerms, members: number, maximum: number): void {
    this.#terms = terms;
    this.#members = members;
    this.#maximum = maximum;
  }

  /** What the limiter holds, as far as this process knows. */
  limiterLevel(now: number): number {
    return this.#parts.bucket.level(now) + this.#requests.units - this.#balance.unused;
  }

  /** For units that the bucket has handed out. Undefined if the lease covers them; else the call waits for the decision. */
  reserve(units: number): GrantRequest | undefined {
    const now = performance.now();
    // A process with few calls would return a lease that is renewed ahead.
    const isBusy = now - this.#usedAt < IDLE_MS;
    this.#usedAt = now;
    if (this.#requests.isEmpty && this.#balance.tryUse(units)) {
      // What this process uses during a round trip, at its fair rate, has to be there.
      const inRoundTrip = this.#unitsIn(this.#terms.distanceMs / this.#members);
      const isLow = !this.#balance.covers(Math.max(units, inRoundTrip));
      this.#isLow = isBusy && isLow && this.#pausedUntil <= now;
      // Renewed for the next call, after this one has been sent.
      if (this.#isLow) setImmediate(() => void this.#update());
      return undefined;
    }
    // After this turn, so that one update serves all calls of the turn.
    if (this.#requests.isEmpty) queueMicrotask(() => void this.#update());
    return this.#requests.add(units);
  }

  /** @param bucketWaitMs The wait according to the bucket. */
  waitMs(units: number, bucketWaitMs: number, now: number): number {
    if (this.#requests.isEmpty && this.#balance.covers(units)) return 0;
    return Math.max(bucketWaitMs, this.#pausedUntil - now);
  }

  /** A queued call waits for these units: they are gathered bit by bit, or smaller calls would always be faster. */
  prefetch(units: number, now: number): void {
    this.#prefetchUnits = Math.min(units, this.#parts.bucket.depth);
    this.#prefetchedAt = now;
    if (this.#pausedUntil <= now && !this.#balance.covers(this.#prefetchUnits)) void this.#update();
  }

  refund(units: number): void {
    this.#balance.add(units, toLimiter(this.#parts.bucket, units));
    this.#grantRequests();
    this.#scheduleFlush();
  }

  overdraw(units: number): void {
    this.#balance.overdraw(units);
    this.#scheduleFlush();
  }

  correct(units: number): void {
    this.#balance.correct(units);
    this.#scheduleFlush();
  }

  /** Starts to send updates. The first asks for the limiter's level. */
  open(): void {
    this.#state = { kind: 'idle', isLevelKnown: false };
    void this.#update();
  }

  /** Stops sending updates. Returns the unused units, what has not been reported, and the requests that wait. */
  suspend(): { readonly unused: number; readonly unreported: number; readonly requests: GrantRequest[] } {
    this.#state = { kind: 'suspended' };
    const { unused } = this.#balance;
    const { overdraft, correction, refund } = this.#balance.takeUnreported();
    this.#balance.clear();
    const unreported = overdraft - correction - fromLimiter(this.#parts.bucket, refund);
    return { unused, unreported, requests: this.#requests.drain() };
  }

  /** Returns everything to the limiter. */
  close(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    this.#balance.refundBeyond(0);
    const { refund } = this.#balance.takeUnreported();
    if (this.#state.kind !== 'suspended' && refund > 0)
      this.#parts.limiter.take(-refund).catch(() => undefined);
    for (const request of this.suspend().requests) request.decide(false);
  }

  /** The units of one lease. */
  get #size(): number {
    return this.#unitsIn(leaseMs(this.#terms, this.#members));
  }

  /** @param ms Milliseconds of the limit. */
  #unitsIn(ms: number): number {
    return (ms * this.#terms.limit * this.#parts.bucket.limitShare) / 60_000;
  }

  #grantRequests(): void {
    this.#requests.grant((units) => this.#balance.tryUse(units));
  }

  async #update(): Promise<void> {
    if (this.#state.kind !== 'idle') return;
    const { isLevelKnown } = this.#state;
    const update = this.#nextUpdate(isLevelKnown);
    if (!update) return;
    const updating: State = { kind: 'updating', isLevelKnown };
    this.#state = updating;
    const { limiter, bucket } = this.#parts;
    const { cost, overdraft, correction, refund } = update;
    const taken = cost + toLimiter(bucket, overdraft) - toLimiter(bucket, correction) - refund;
    let left: number;
    try {
      left = await limiter.take(taken);
    } catch {
      if (this.#state !== updating) return;
      // It may have been taken or not. The next flush tries again.
      this.#balance.restore(update);
      this.#state = { kind: 'idle', isLevelKnown };
      this.#scheduleFlush();
      return;
    }
    if (this.#state !== updating) {
      limiter.take(-cost).catch(() => undefined);
      return;
    }
    this.#state = { kind: 'idle', isLevelKnown: true };
    this.#parts.onReply();
    this.#applyReply(update, fromLimiter(bucket, left - this.#takeRefilled(taken, left)));
    this.#scheduleFlush();
    if (!this.#requests.isEmpty) void this.#update();
  }

  /**
   * Bottleneck takes first and refills then: what is taken from a bucket that has been full for a while comes back at
   * once. It is taken again, without waiting. Returns its units.
   */
  #takeRefilled(taken: number, left: number): number {
    const refilled = taken > 0 ? Math.min(taken, Math.max(0, left - (this.#maximum - taken))) : 0;
    if (refilled > 0) this.#parts.limiter.take(refilled).catch(() => undefined);
    return refilled;
  }

  #nextUpdate(isLevelKnown: boolean): LimiterUpdate | undefined {
    const requested = this.#unitsToRequest(performance.now());
    if (requested === 0 && isLevelKnown && !this.#balance.hasUnreported) return undefined;
    const cost = costInLimiter(this.#parts.bucket, requested);
    return { ...this.#balance.takeUnreported(), requested, cost, requests: this.#requests.snapshot() };
  }

  /** The units that are waited for, and a new lease if the limiter has that much to spare. */
  #unitsToRequest(now: number): number {
    const ahead = this.#isLow ? this.#size : 0;
    this.#isLow = false;
    const needed = Math.max(this.#requests.units, this.#isPrefetching(now) ? this.#prefetchUnits : ahead);
    const need = Math.max(0, needed - this.#balance.unused);
    if (need === 0) return 0;
    const available = this.limiterLevel(now) - this.#parts.bucket.headroom;
    // No call waits for the answer yet, so no more than the limiter should have.
    if (this.#requests.isEmpty) return Math.max(0, Math.min(need, available));
    return need + Math.max(0, Math.min(this.#size, available - need));
  }

  /** @param left What the limiter held after the update. */
  #applyReply({ requested, cost, correction, requests }: LimiterUpdate, left: number): void {
    const { limiter, bucket, onCapacity } = this.#parts;
    const { depth, headroom } = bucket;
    // A call larger than the depth starts on a full bucket and leaves a debt.
    const floor = Math.min(headroom, depth - this.#requests.first);
    const refused = Math.min(requested, Math.max(0, floor - left));
    // A correction never makes a debt, nor a level above the depth.
    const tooLow = correction < 0 ? Math.min(-correction, Math.max(0, -(left + refused))) : 0;
    const tooHigh = correction > 0 ? Math.min(correction, Math.max(0, left - depth)) : 0;
    const refusedCost = requested > 0 ? Math.floor((cost * refused) / requested) : 0;
    const undo = refusedCost + toLimiter(bucket, tooLow) - toLimiter(bucket, tooHigh);
    if (undo !== 0) limiter.take(-undo).catch(() => undefined);
    this.#balance.add(requested - refused, cost - refusedCost);
    this.#grantRequests();
    this.#requests.refuse(requests);
    const now = performance.now();
    const level = left + refused + tooLow - tooHigh;
    bucket.syncLevel(level + this.#balance.unused - this.#requests.units, now);
    if (left + refused < headroom + this.#size) {
      // A process that asked again at once would get ever smaller parts of a drained limiter. The pause is random, because
      // each process takes what has come in since the one before: in a fixed order the same one would always be late.
      this.#pausedUntil = now + Math.min(MAX_PAUSE_MS, PAUSE_MS * this.#members) * (0.5 + Math.random());
    }
    if (requested > refused) onCapacity();
  }

  #isPrefetching(now: number): boolean {
    return now - this.#prefetchedAt < PREFETCH_MS;
  }

  /** Returns unused units beyond one lease, and all of them after a while without use. */
  #flush(): void {
    const now = performance.now();
    if (this.#state.kind !== 'suspended' && this.#requests.isEmpty && !this.#isPrefetching(now)) {
      this.#balance.refundBeyond(now - this.#usedAt >= IDLE_MS ? 0 : this.#size);
    }
    void this.#update();
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#state.kind === 'suspended') return;
    if (!this.#balance.hasUnreported && this.#balance.unused === 0 && this.#requests.isEmpty) return;
    this.#flushTimer ??= startTimer(() => {
      this.#flushTimer = undefined;
      this.#flush();
    }, FLUSH_MS).unref();
  }
}
