import { drawAny, type Rule } from './rule';

interface State {
  failures: number;
  ejectedUntil: number;
  ejections: number;
}

/** Envoy's defaults: outlier_detection.consecutive_5xx, base_ejection_time, max_ejection_percent of at least one. */
const CONSECUTIVE = 5;
const BASE_EJECTION_MS = 30_000;
const MAX_EJECTED = 0.1;

/**
 * Envoy's least request with its defaults: of two random hosts, the one with fewer calls in flight. Outlier detection
 * ejects a host after five consecutive 5xx failures, for 30 s times the number of its ejections, but not for 429s. Two
 * retries on 5xx, resets and 429.
 */
export function leastRequest(): Rule<State> {
  const states: State[] = [];
  return {
    name: 'Envoy-like least request',
    maxAttempts: 3,
    timeoutMs: 15_000,
    state: () => {
      const state = { failures: 0, ejectedUntil: 0, ejections: 0 };
      states.push(state);
      return state;
    },
    pick(allowed) {
      const now = performance.now();
      const healthy = allowed.filter(({ state }) => state.ejectedUntil <= now);
      const from = healthy.length > 0 ? healthy : allowed;
      const one = drawAny(from);
      const other = drawAny(from.filter((target) => target !== one));
      if (!one || !other) return one;
      return one.inFlight <= other.inFlight ? one : other;
    },
    onEnd({ state }, outcome) {
      if (outcome.kind === 'answered' || (outcome.kind === 'error' && outcome.status === 429)) {
        state.failures = 0;
        return;
      }
      const now = performance.now();
      const ejected = states.filter(({ ejectedUntil }) => ejectedUntil > now).length;
      if (++state.failures < CONSECUTIVE || ejected >= Math.max(1, MAX_EJECTED * states.length)) return;
      state.failures = 0;
      state.ejections++;
      state.ejectedUntil = now + BASE_EJECTION_MS * state.ejections;
    },
    backoffMs: (attempts) => Math.random() * 25 * (2 ** attempts - 1),
  };
}
