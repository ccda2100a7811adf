import { type Call, remainingMs } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import { type Plan, shortlistOf } from '../routing/plan';
import type { HedgeOptions } from './options';

/** The budget at the start, and the most it can hold, in hedges. */
const MAX_BUDGET = 20;
const MIN_DELAY_MS = 600;
/** A stream is late after this multiple of its expected time to first token, a whole answer after this of its own. */
const STREAM_FACTOR = 4;
const WHOLE_FACTOR = 2;
/** A hedge starts within this share of the time left before the deadline. */
const DEADLINE_SHARE = 0.3;
/** A hedge goes only to an endpoint with this share of its quota left: it must not take what other calls need. */
const MIN_QUOTA_SHARE = 0.25;
/** When the median of the other endpoints is slower than its baseline by this ratio, a hedge would only add load. */
const SLOW_FLEET_RATIO = 1.5;

/**
 * Decides when a call that waits for its first token may be sent a second time, and where ("The Tail at Scale", 2013),
 * and whether it may be sent to an endpoint that is probed beside it. Both take from one budget.
 */
export class HedgePolicy {
  readonly #options: () => false | HedgeOptions;
  #budget = MAX_BUDGET;

  /** @param options Read for each call: a reload may change them. */
  constructor(options: () => false | HedgeOptions) {
    this.#options = options;
  }

  /** Each new call adds its share to the budget. */
  onCall(): void {
    const options = this.#options();
    if (options) this.#budget = Math.min(MAX_BUDGET, this.#budget + options.budgetRatio);
  }

  /** Milliseconds until the call may be hedged; undefined when it may not. */
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
    // A hedge before the expected time would double every call.
    return maxDelayMs > expectedMs ? maxDelayMs : undefined;
  }

  /** Whether a probe may go out beside this call now: it is sent a second time, as by a hedge. */
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

  /** Takes one hedge from the budget, beside an attempt at `late`; false where it is spent or the others are slow too. */
  tryTake(plan: Plan, late: Endpoint): boolean {
    if (this.#budget < 1 || isFleetSlow(plan, late)) return false;
    this.#budget--;
    return true;
  }
}

/** Without the late endpoint: its own pending attempt makes it slow, and of two endpoints it would be the median. */
function isFleetSlow(plan: Plan, late: Endpoint): boolean {
  const now = performance.now();
  const slow = shortlistOf(plan)
    .filter(({ endpoint }) => endpoint !== late)
    .map(({ endpoint }) => endpoint.latency.ratio(endpoint.inFlight, now))
    .sort((a, b) => a - b);
  const middle = Math.floor(slow.length / 2);
  return (slow[middle] ?? 1) > SLOW_FLEET_RATIO;
}
