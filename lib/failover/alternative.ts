import { remainingMs } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import { obstacleOf } from '../routing/availability';
import { shortlistOf } from '../routing/plan';
import { patientLimitMs } from './attempt-limit';
import { type CallState, currentPlan, type Routes } from './call-state';

/**
 * How often an attempt that has exceeded its time limit is checked again while no other endpoint can serve its call, in
 * milliseconds.
 */
const RECHECK_MS = 1_000;

/** Predicts whether another endpoint could serve a call that has a running attempt at one endpoint. */
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

  /**
   * Shortest predicted time, in milliseconds, in which another healthy endpoint that has not failed the call would
   * answer it; Infinity if there is none.
   */
  expectedMs(): number {
    return this.#leastMs(false);
  }

  /** Like {@link expectedMs}, but only for endpoints that can start the call now and answer before its deadline. */
  readyMs(): number {
    const ms = this.#leastMs(true);
    return ms <= remainingMs(this.#state.call, performance.now()) ? ms : Infinity;
  }

  /**
   * How much longer to wait for an attempt that has reached its time limit, in milliseconds; 0 if another endpoint can
   * serve the call now. Checked again at that time, because an endpoint that could serve the call when the attempt was
   * sent may no longer be able to.
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
      // A reload has removed the model, so no other endpoint can serve the call.
    }
    return least;
  }
}
