import { least, type Rule } from './rule';
import type { RuleEndpoint } from './rule-endpoint';

interface State {
  /** Moving average of the time to first token, in milliseconds. */
  firstTokenMs: number;
  blockedUntil: number;
  failures: number;
}

/** Endpoints above this quantile of calls in flight are hot. */
const HOT_QUANTILE = 0.84;
const PROBES = 5;
const GAIN = 0.2;
const OPEN_MS = 10_000;
const FAILURES = 5;

/**
 * After Prequal (Wydrowski et al., NSDI 2024): of five probed endpoints, the cold one with the lowest latency, otherwise
 * the hot one with the fewest calls in flight. An endpoint cools down for its Retry-After after a 429 and for 10 s after
 * five consecutive failures. Two retries at other endpoints.
 */
export const hotCold: Rule<State> = {
  name: 'Prequal-like, hot/cold',
  maxAttempts: 3,
  timeoutMs: 30_000,
  state: ({ ttftMs }) => ({ firstTokenMs: ttftMs, blockedUntil: 0, failures: 0 }),
  pick(allowed, tried) {
    const now = performance.now();
    const ready = allowed.filter((target) => target.state.blockedUntil <= now && !tried.includes(target));
    const from = ready.length > 0 ? ready : allowed.filter((target) => !tried.includes(target));
    const probed = sample(from, PROBES);
    const loads = from.map(({ inFlight }) => inFlight).sort((a, b) => a - b);
    const threshold = loads[Math.floor(HOT_QUANTILE * (loads.length - 1))] ?? 0;
    const cold = probed.filter(({ inFlight }) => inFlight <= threshold);
    return cold.length > 0
      ? least(cold, ({ state }) => state.firstTokenMs)
      : least(probed, ({ inFlight }) => inFlight);
  },
  onFirstToken({ state }, ms) {
    state.firstTokenMs += GAIN * (ms - state.firstTokenMs);
  },
  onEnd({ state }, outcome) {
    const now = performance.now();
    if (outcome.kind === 'answered') {
      state.failures = 0;
    } else if (outcome.kind === 'error' && outcome.status === 429) {
      state.blockedUntil = now + (outcome.retryAfterMs ?? 1_000);
    } else if (++state.failures >= FAILURES) {
      state.blockedUntil = now + OPEN_MS;
      state.failures = FAILURES - 1;
    }
  },
};

function sample<S>(from: readonly RuleEndpoint<S>[], count: number): RuleEndpoint<S>[] {
  const rest = [...from];
  const drawn: RuleEndpoint<S>[] = [];
  while (drawn.length < count && rest.length > 0) {
    drawn.push(...rest.splice(Math.floor(Math.random() * rest.length), 1));
  }
  return drawn;
}
