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

/** A failure rate above this opens the breaker. */
const OPENING_FAILURE_RATE = 0.6;

/** Failures that are taken back without an answer in between: an endpoint that stops serving counts its failures. */
const MAX_TAKE_BACKS = 3;

/** How well one endpoint serves: its breaker, its latency and its failures. */
export class EndpointHealth {
  readonly breaker: Breaker;
  readonly latency: LatencyModel;
  readonly recentLatency = new RecentLatency();
  readonly failureRate = new FailureRate();
  readonly activity = new AnswerActivity();
  readonly refusals: RefusalShare;
  /** The calls of which a failure has counted. Their contexts, since a continued stream is another call. */
  readonly #countedCalls = new WeakSet<Call['context']>();
  /** Failures that may be taken back: each answer served allows one more, up to a bound. */
  #takeBacks = 0;
  #failures = 0;
  #skippedEvents = 0;

  /** @param shared What it has in common with other endpoints. */
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
        // The time for which it was open was the answer to the failures: they must not keep the probe away as well.
        if (transition.to !== 'open') this.failureRate.reset();
        breaker.onTransition?.(transition);
      },
    });
  }

  /** Takes new options; what was learnt stays, unless the profile it started from has changed. */
  configure(breaker: BreakerOptions, profile: LatencyProfile): void {
    this.breaker.configure(breaker);
    this.latency.configure(profile);
  }

  /** The share of calls that it fails, for routing: its failures, or its refusals above those of the other endpoints. */
  failureShare(now: number): number {
    return Math.max(this.failureRate.value(now), this.refusals.excess(now));
  }

  /** Failed attempts since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Events of its streams that could not be read and were skipped. */
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

  /** Whether a failure of this call has counted already. */
  hasCounted({ context }: Call): boolean {
    return this.#countedCalls.has(context);
  }

  /** @param counts Whether the failure counts against the endpoint; its stats show it in any case. */
  recordFailure({ context }: Call, counts: boolean, now: number): void {
    this.#failures++;
    if (!counts) return;
    this.#countedCalls.add(context);
    this.failureRate.add(true, now);
    // Only while closed: a late failure from before an opening must not cut a probe short.
    if (this.breaker.state === 'closed' && this.failureRate.value(now) > OPENING_FAILURE_RATE)
      this.breaker.open();
  }

  /** Whether it has served calls of late, so that a failure may be the fault of a request. */
  get canTakeBack(): boolean {
    return this.#takeBacks >= 1 && this.breaker.state === 'closed';
  }

  /** Takes back a failure that was the fault of a request. Call it only if `canTakeBack`. */
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
