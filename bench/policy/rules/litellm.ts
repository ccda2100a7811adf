import type { AttemptOutcome } from './attempt';
import { drawAny, drawByWeight, least, type Rule } from './rule';
import type { RuleEndpoint } from './rule-endpoint';

/*
 * Three strategies of LiteLLM's router (docs.litellm.ai, "Router - Load Balancing"). Common to all: two retries, each
 * with a new pick. An endpoint cools down for its Retry-After after a 429 (5 s without one), and for 5 s when more than
 * half of at least five calls of the current minute have failed. If all endpoints are cooling down, the call fails and
 * is retried after a backoff. The timeout of ten minutes is longer than any deadline here.
 */

interface Minute {
  at: number;
  requests: number;
  tokens: number;
  failures: number;
  answers: number;
}

interface State {
  cooldownUntil: number;
  minute: Minute;
  /** The last ten times to the first token (calls are streamed). */
  readonly latencies: number[];
}

const COOLDOWN_MS = 5_000;
const FAILURE_SHARE = 0.5;
const LEAST_CALLS = 5;
const LATENCIES = 10;
/** The latency that is recorded for a timeout. */
const TIMEOUT_PENALTY_MS = 1_000_000;

type PickFrom = (free: readonly RuleEndpoint<State>[], tokens: number) => RuleEndpoint<State> | undefined;

/** A random pick weighted by each endpoint's requests per minute. */
export const simpleShuffle = rule('LiteLLM simple-shuffle', (free) =>
  drawByWeight(free, ({ endpoint }) => endpoint.rpm),
);

/** Picks the endpoint with the fewest calls in flight. */
export const leastBusy = rule('LiteLLM least-busy', (free) => least(free, ({ inFlight }) => inFlight));

/** Picks the lowest mean of the last ten latencies among endpoints below their limits by the router's own count. */
export const latencyBased = rule('LiteLLM latency-based', (free, tokens) => {
  const within = free.filter(({ endpoint, state }) => {
    const { requests, tokens: used } = minuteOf(state);
    return requests + 1 <= endpoint.rpm && used + tokens <= endpoint.tpm;
  });
  // Endpoints without a sample come first, in random order.
  const fresh = within.filter(({ state }) => state.latencies.length === 0);
  return fresh.length > 0 ? drawAny(fresh) : least(within, ({ state }) => mean(state.latencies));
});

function rule(name: string, pickOne: PickFrom): Rule<State> {
  return {
    name,
    maxAttempts: 3,
    timeoutMs: 600_000,
    state: () => ({
      cooldownUntil: 0,
      minute: { at: 0, requests: 0, tokens: 0, failures: 0, answers: 0 },
      latencies: [],
    }),
    pick(allowed, _tried, call) {
      const now = performance.now();
      return pickOne(
        allowed.filter(({ state }) => state.cooldownUntil <= now),
        call.promptTokens,
      );
    },
    onEnd(target, outcome, call) {
      const { state } = target;
      const minute = minuteOf(state);
      if (outcome.kind === 'answered') {
        minute.answers++;
        minute.requests++;
        minute.tokens += call.promptTokens + call.outputTokens;
        recordLatency(state, outcome.firstTokenMs);
        return;
      }
      minute.failures++;
      if (outcome.kind === 'timeout') recordLatency(state, TIMEOUT_PENALTY_MS);
      startCooldown(state, outcome);
    },
    // If a healthy endpoint is left, the retry is immediate; otherwise the backoff starts at 0.5 s and doubles.
    backoffMs: (attempts, outcome) =>
      outcome === undefined ? 500 * 2 ** (attempts - 1) * (0.75 + 0.25 * Math.random()) : 0,
  };
}

function startCooldown(state: State, outcome: AttemptOutcome): void {
  const { failures, answers } = minuteOf(state);
  const total = failures + answers;
  const limited = outcome.kind === 'error' && outcome.status === 429;
  const failing = total >= LEAST_CALLS && failures / total > FAILURE_SHARE;
  if (!limited && !failing) return;
  const asked = outcome.kind === 'error' ? outcome.retryAfterMs : undefined;
  state.cooldownUntil = performance.now() + (asked ?? COOLDOWN_MS);
}

function minuteOf(state: State): Minute {
  const at = Math.floor(Date.now() / 60_000);
  if (state.minute.at !== at) state.minute = { at, requests: 0, tokens: 0, failures: 0, answers: 0 };
  return state.minute;
}

function recordLatency({ latencies }: State, ms: number): void {
  latencies.push(ms);
  if (latencies.length > LATENCIES) latencies.shift();
}

function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}
