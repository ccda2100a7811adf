import { remainingMs } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import { obstacleOf } from '../routing/availability';
import { shortlistOf } from '../routing/plan';
import { patientLimitMs } from './attempt-limit';
import { type CallState, currentPlan, type Routes } from './call-state';

/** While no other endpoint could serve, a late attempt is looked at again after this time, in milliseconds. */
const RECHECK_MS = 1_000;

/** What other endpoints could do for a call, as seen from a running attempt at one of them. */
export class Alternative {
  readonly #state: CallState;
  readonly #routes: () => Routes;
  readonly #current: Endpoint;
  readonly #startedAt = performance.now();

  constructor(state: CallState, routes: () => Routes, current: Endpoint) {
    this.#state = state;
    this.#routes = routes;
    this.#current = current;
  }

  /** The shortest predicted time of another healthy endpoint that has not failed the call; Infinity without one. */
  expectedMs(): number {
    return this.#leastMs(false);
  }

  /** The same, of those that can start the call now and end it in time. */
  readyMs(): number {
    const ms = this.#leastMs(true);
    return ms <= remainingMs(this.#state.call, performance.now()) ? ms : Infinity;
  }

  /**
   * How much longer an attempt is waited for that has reached its limit, in milliseconds: 0 where another endpoint can
   * serve the call. What seemed possible when it was sent may not be so any more.
   */
  extensionMs(): number {
    if (this.readyMs() < Infinity) return 0;
    const { call } = this.#state;
    const elapsedMs = performance.now() - this.#startedAt;
    return Math.min(RECHECK_MS, patientLimitMs(call, this.#current, elapsedMs));
  }

  #leastMs(mustBeReady: boolean): number {
    const { call, failedAt } = this.#state;
    const now = performance.now();
    let least = Infinity;
    try {
      const plan = currentPlan(this.#state, this.#routes());
      for (const option of shortlistOf(plan)) {
        const { endpoint } = option;
        if (endpoint === this.#current || endpoint.weight === 0 || failedAt.has(endpoint.name)) continue;
        if (endpoint.state(now) !== 'closed') continue;
        if (mustBeReady && obstacleOf(plan, option, { now })) continue;
        const totalMs = endpoint.latency.totalMs(call, endpoint.inFlight, now);
        if (totalMs < least) least = totalMs;
      }
    } catch {
      // A reload has dropped the model: there is none.
    }
    return least;
  }
}
