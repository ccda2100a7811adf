import { type Call, remainingMs } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import { optionsOf, type Plan } from '../routing/plan';
import type { HedgeOptions } from './options';

/** At the start there is a budget for so many hedges; there is never one for more. */
const MAX_BUDGET = 20;
const MIN_DELAY_MS = 600;
/** A stream is late after so many times its expected time to first token, a whole answer after so many times its own. */
const STREAM_FACTOR = 4;
const WHOLE_FACTOR = 2;
/** A hedge starts within this share of what the deadline leaves. */
const DEADLINE_SHARE = 0.3;
/** A hedge must not take what others will need: the endpoint has at least this share of its quota left. */
const MIN_QUOTA_SHARE = 0.25;
/** Where the whole fleet is slower than this, a second attempt would only add load. */
const SLOW_FLEET_RATIO = 1.5;

/** Decides when a call that waits for its first token may be sent a second time, and where. */
export class HedgePolicy {
  readonly #options: () => false | HedgeOptions;
  #budget = MAX_BUDGET;

  /** @param options Asked anew for each call: a reload may change them. */
  constructor(options: () => false | HedgeOptions) {
    this.#options = options;
  }

  /** A call began: it pays its share in. */
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
    // Earlier than usual would be no hedge but a second call.
    return maxDelayMs > expectedMs ? maxDelayMs : undefined;
  }

  hasSpareQuota(endpoint: Endpoint): boolean {
    return 1 - endpoint.usedShare(performance.now()) >= MIN_QUOTA_SHARE;
  }

  /** Takes one hedge from the budget, where there is one and the fleet isn't slow. */
  tryTake(plan: Plan): boolean {
    if (this.#budget < 1 || isFleetSlow(plan)) return false;
    this.#budget--;
    return true;
  }
}

function isFleetSlow(plan: Plan): boolean {
  const now = performance.now();
  const slow = optionsOf(plan)
    .map(({ endpoint }) => endpoint.latency.ratio(endpoint.inFlight, now))
    .sort((a, b) => a - b);
  const middle = Math.floor(slow.length / 2);
  return (slow[middle] ?? 1) > SLOW_FLEET_RATIO;
}
