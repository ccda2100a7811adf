import { drawByWeight, type Rule } from './rule';

interface State {
  failures: number;
  openUntil: number;
}

const FAILURES = 5;
const OPEN_MS = 10_000;

/**
 * What most hand-written balancers do: a random pick weighted by the limit, a breaker that opens for 10 s after five
 * consecutive failures, and after a failure the next endpoint of a fixed fallback chain, up to five attempts. Timeout
 * 30 s.
 */
export const weightedBreaker: Rule<State> = {
  name: 'weighted random + breaker + chain',
  maxAttempts: 5,
  timeoutMs: 30_000,
  state: () => ({ failures: 0, openUntil: 0 }),
  pick(allowed, tried) {
    const now = performance.now();
    const closed = allowed.filter((target) => target.state.openUntil <= now && !tried.includes(target));
    // The chain is the order of the endpoints in the configuration.
    return tried.length > 0 ? closed[0] : drawByWeight(closed, ({ endpoint }) => endpoint.rpm);
  },
  onEnd({ state }, outcome) {
    if (outcome.kind === 'answered') {
      state.failures = 0;
      return;
    }
    state.failures++;
    if (state.failures >= FAILURES) {
      state.openUntil = performance.now() + OPEN_MS;
      // The first call after the cooldown is a probe: one failure re-opens the breaker.
      state.failures = FAILURES - 1;
    }
  },
};
