import { drawByWeight, type Rule } from './rule';

interface State {
  failures: number;
  openUntil: number;
}

const FAILURES = 5;
const OPEN_MS = 10_000;

/**
 * What most hand-written balancers do: a weighted random pick (by the limit), a breaker that opens after five failures
 * in a row for 10 s, and on a failure the next of a fixed fallback chain, up to five
 * in all. Timeout 30 s.
 */
export const weightedBreaker: Rule<State> = {
  name: 'weighted random + breaker + chain',
  maxAttempts: 5,
  timeoutMs: 30_000,
  state: () => ({ failures: 0, openUntil: 0 }),
  pick(allowed, tried) {
    const now = performance.now();
    const closed = allowed.filter((target) => target.state.openUntil <= now && !tried.includes(target));
    // The chain is the order in which the endpoints were written down.
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
      // The first call after the rest is a probe: one failure opens it again.
      state.failures = FAILURES - 1;
    }
  },
};
