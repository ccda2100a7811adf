import { drawAny, type Rule } from './rule';

interface State {
  /** Peak EWMA of the time to the end of the answer, in milliseconds. */
  ewmaMs: number;
  measuredAt: number;
  blockedUntil: number;
  /** Ends of the last minute: time and whether it failed. */
  ends: { at: number; failed: boolean }[];
}

/** Decay and first guess of the gateway's balancer (tower's PeakEwma). */
const DECAY_MS = 10_000;
const FIRST_GUESS_MS = 1_000;
const WINDOW_MS = 60_000;
const FAILURE_SHARE = 0.1;
const LEAST_CALLS = 20;

/**
 * The rules of Helicone's gateway: of two at random the one with the lower peak EWMA of latency times calls in flight;
 * an endpoint that answers 429 is out for its Retry-After, one whose error share of a minute is above 10 % until it is
 * below. No retries; where none is left the call fails.
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
    // A rise counts at once, a fall decays.
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
