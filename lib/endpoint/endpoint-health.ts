import type { Call } from '../call/call';
import { AnswerActivity } from '../health/answer-activity';
import { Breaker, type BreakerParts } from '../health/breaker';
import { FailureRate } from '../health/failure-rate';
import { LatencyModel } from '../health/latency-model';
import type { BreakerOptions } from '../health/options';
import { RecentLatency } from '../health/recent-latency';
import { type RefusalCounts, RefusalShare } from '../health/refusal-share';
import type { SiblingSlowness } from '../health/sibling-slowness';
import type { LatencyProfile } from '../models/profile';

/** The breaker opens if the failure rate exceeds this. */
const OPENING_FAILURE_RATE = 0.6;

/**
 * Maximum number of failures that are taken back without a served call in between, so that the failures of an endpoint
 * that has stopped serving still count.
 */
const MAX_TAKE_BACKS = 3;

/** The health of one endpoint: its breaker, its latency and its failures. */
export class EndpointHealth {
  readonly breaker: Breaker;
  readonly latency: LatencyModel;
  readonly recentLatency = new RecentLatency();
  readonly failureRate = new FailureRate();
  readonly activity = new AnswerActivity();
  readonly refusals: RefusalShare;
  /**
   * Contexts of the calls with a failure that has counted against this endpoint. Contexts rather than calls, because a
   * continued stream is a different call object with the same context.
   */
  readonly #countedCalls = new WeakSet<Call['context']>();
  /** Number of failures that may be taken back: each served call allows one more, up to a limit. */
  #takeBacks = 0;
  #failures = 0;
  #skippedEvents = 0;

  /** @param shared State that is shared with other endpoints. */
  constructor(
    profile: LatencyProfile,
    breaker: BreakerParts,
    shared: { readonly refusals: RefusalCounts; readonly siblings: SiblingSlowness },
  ) {
    this.refusals = new RefusalShare(shared.refusals);
    this.latency = new LatencyModel(profile, shared.siblings);
    this.breaker = new Breaker({
      ...breaker,
      onTransition: (transition) => {
        // The opening was the reaction to the failures. They must not also make routing avoid the endpoint once it may
        // be probed.
        if (transition.to !== 'open') this.failureRate.reset();
        breaker.onTransition?.(transition);
      },
    });
  }

  /** Applies new options. Keeps what was learnt, unless the latency profile has changed. */
  configure(breaker: BreakerOptions, profile: LatencyProfile): void {
    this.breaker.configure(breaker);
    this.latency.configure(profile);
  }

  /**
   * Share of calls that the endpoint fails, 0 to 1, for routing: its failure rate, or the excess of its refusals over
   * those of the other endpoints if that is higher.
   */
  failureShare(now: number): number {
    return Math.max(this.failureRate.value(now), this.refusals.excess(now));
  }

  /** Failed attempts since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Number of unreadable stream events that were skipped. */
  get skippedEvents(): number {
    return this.#skippedEvents;
  }

  recordSkippedEvent(): void {
    this.#skippedEvents++;
  }

  recordServed(ms: number, now: number): void {
    this.#failures = 0;
    this.#takeBacks = Math.min(MAX_TAKE_BACKS, this.#takeBacks + 1);
    this.recentLatency.add(ms, now);
    this.failureRate.add(false, now);
    this.refusals.recordAnswered(now);
  }

  /** Whether a failure of this call has already counted against the endpoint. */
  hasCounted({ context }: Call): boolean {
    return this.#countedCalls.has(context);
  }

  /** @param counts Whether the failure counts against the endpoint; stats report it in any case. */
  recordFailure({ context }: Call, counts: boolean, now: number): void {
    this.#failures++;
    if (!counts) return;
    this.#countedCalls.add(context);
    this.failureRate.add(true, now);
    // Only while closed: a late failure of an attempt from before the opening must not cut a probe short.
    if (this.breaker.state === 'closed' && this.failureRate.value(now) > OPENING_FAILURE_RATE)
      this.breaker.open();
  }

  /** Whether the endpoint has recently served calls, so that a failure may be the fault of the request. */
  get canTakeBack(): boolean {
    return this.#takeBacks >= 1 && this.breaker.state === 'closed';
  }

  /** Takes back a failure that was the fault of the request. Call it only if `canTakeBack` is true. */
  takeBackFailure(now: number): void {
    this.#takeBacks--;
    this.#failures = Math.max(0, this.#failures - 1);
    this.failureRate.takeBackFailure(now);
    this.breaker.takeBackFailure();
  }

  /** Closes the breaker and forgets the failures that opened it. */
  reset(): void {
    this.failureRate.reset();
    this.breaker.close();
  }
}
