import { type Call, remainingMs } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import { type Plan, shortlistOf } from '../routing/plan';
import type { HedgeOptions } from './options';

/** The initial and maximum level of the budget, in hedges. */
const MAX_BUDGET = 20;
const MIN_DELAY_MS = 600;
/**
 * A stream is late after `STREAM_FACTOR` times its expected time to first token, a whole answer after `WHOLE_FACTOR`
 * times its expected time.
 */
const STREAM_FACTOR = 4;
const WHOLE_FACTOR = 2;
/** A hedge starts at the latest after this share of the time left before the deadline. */
const DEADLINE_SHARE = 0.3;
/**
 * A hedge is sent only to an endpoint with at least this share of its quota left, so that it doesn't take what other
 * calls need.
 */
const MIN_QUOTA_SHARE = 0.25;
/**
 * If the median latency of the other endpoints exceeds their baseline by this factor, calls are not hedged: it would
 * only add load.
 */
const SLOW_FLEET_RATIO = 1.5;

/**
 * Decides when and where a late call may be sent a second time ("The Tail at Scale", 2013), and whether a call may also
 * be sent to another endpoint as a probe. Hedges and probes share one budget.
 */
export class HedgePolicy {
  readonly #options: () => false | HedgeOptions;
  #budget = MAX_BUDGET;

  /** @param options Read for each call: a reload may change them. */
  constructor(options: () => false | HedgeOptions) {
    this.#options = options;
  }

  /** Adds `budgetRatio` hedges to the budget for a new call. */
  onCall(): void {
    const options = this.#options();
    if (options) this.#budget = Math.min(MAX_BUDGET, this.#budget + options.budgetRatio);
  }

  /** Milliseconds until the call may be hedged; undefined if it may not be hedged. */
  delayMs(call: Call, endpoint: Endpoint): number | undefined {
    const options = this.#options();
    if (!options || options.budgetRatio === 0 || !call.hedge || call.operation !== 'chat') return undefined;
    if (options.delayMs !== undefined) return options.delayMs;
    const now = performance.now();
    const expected = endpoint.predictLatency(call, now);
    const expectedMs = call.stream ? expected.firstTokenMs : expected.totalMs;
    const delay = Math.max(MIN_DELAY_MS, (call.stream ? STREAM_FACTOR : WHOLE_FACTOR) * expectedMs);
    const maxDelayMs = DEADLINE_SHARE * remainingMs(call, now);
    if (delay <= maxDelayMs) return delay;
    // A hedge before the expected time would send nearly every call twice.
    return maxDelayMs > expectedMs ? maxDelayMs : undefined;
  }

  /** Whether a probe may be sent beside this call now. Like a hedge, it is a second request for the same call. */
  mayProbe({ hedge, operation }: Call): boolean {
    const options = this.#options();
    if (!options || options.budgetRatio === 0) return false;
    return hedge && operation === 'chat' && this.#budget >= 1;
  }

  /** Takes one hedge from the budget for a probe. Call it only if `mayProbe`. */
  takeProbe(): void {
    this.#budget--;
  }

  hasSpareQuota(endpoint: Endpoint): boolean {
    return 1 - endpoint.usedShare(performance.now()) >= MIN_QUOTA_SHARE;
  }

  /**
   * Takes one hedge from the budget for a call whose attempt at `late` is late. Returns false if the budget is spent or
   * the other endpoints are slow too.
   */
  tryTake(plan: Plan, late: Endpoint): boolean {
    if (this.#budget < 1 || isFleetSlow(plan, late)) return false;
    this.#budget--;
    return true;
  }
}

/**
 * Whether the endpoints other than `late` are slow. `late` is left out: its pending attempt makes it look slow, and
 * with two endpoints it would be the median.
 */
function isFleetSlow(plan: Plan, late: Endpoint): boolean {
  const now = performance.now();
  const slow = shortlistOf(plan)
    .filter(({ endpoint }) => endpoint !== late)
    .map(({ endpoint }) => endpoint.latency.ratio(endpoint.inFlight, now))
    .sort((a, b) => a - b);
  const middle = Math.floor(slow.length / 2);
  return (slow[middle] ?? 1) > SLOW_FLEET_RATIO;
}
