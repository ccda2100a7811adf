import { drawAny, type Rule } from './rule';

interface State {
  /** Peak EWMA of the total latency, in milliseconds. */
  ewmaMs: number;
  measuredAt: number;
  blockedUntil: number;
  /** Outcomes of the last minute. */
  ends: { at: number; failed: boolean }[];
}

/** Decay and initial latency of the gateway's balancer (tower's PeakEwma). */
const DECAY_MS = 10_000;
const FIRST_GUESS_MS = 1_000;
const WINDOW_MS = 60_000;
const FAILURE_SHARE = 0.1;
const LEAST_CALLS = 20;

/**
 * The rules of Helicone's gateway: of two random endpoints, the one with the lower product of peak EWMA latency and
 * calls in flight. An endpoint is excluded for its Retry-After after a 429, and while more than 10 % of its calls of the
 * last minute have failed. No retries. If no endpoint is left, the call fails.
 */
export const peakEwma: Rule<State> = {
  name: 'Helicone P2C PeakEWMA',
  maxAttempts: 1,
  timeoutMs: 60_000,
  state: () => ({ ewmaMs: FIRST_GUESS_MS, measuredAt: 0, blockedUntil: 0, ends: [] }),
  pick(allowed) {
    const now = performance.now();
    const healthy = allowed.filter(({ state }) => state.blockedUntil <= now && !isFailing(state, now));
    const one = drawAny(healthy);
    const other = drawAny(healthy.filter((target) => target !== one));
    if (!one || !other) return one;
    const load = (target: typeof one): number => decayed(target.state, now) * (target.inFlight + 1);
    return load(one) <= load(other) ? one : other;
  },
  onEnd({ state }, outcome) {
    const now = performance.now();
    const failed = outcome.kind !== 'answered';
    if (outcome.kind === 'error' && outcome.status === 429) {
      state.blockedUntil = Math.max(state.blockedUntil, now + (outcome.retryAfterMs ?? 1_000));
      return;
    }
    state.ends.push({ at: now, failed });
    const { ms } = outcome;
    const old = decayed(state, now);
    const keep = Math.exp(-(now - state.measuredAt) / DECAY_MS);
    // A higher value applies immediately, a lower one decays.
    state.ewmaMs = ms > old ? ms : old * keep + ms * (1 - keep);
    state.measuredAt = now;
  },
};

function decayed({ ewmaMs, measuredAt }: State, now: number): number {
  return ewmaMs * Math.exp(-(now - measuredAt) / DECAY_MS);
}

function isFailing(state: State, now: number): boolean {
  const from = now - WINDOW_MS;
  while (state.ends[0] && state.ends[0].at < from) state.ends.shift();
  if (state.ends.length < LEAST_CALLS) return false;
  return state.ends.filter(({ failed }) => failed).length / state.ends.length > FAILURE_SHARE;
}
