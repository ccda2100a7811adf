import type { Priority } from '../call/context';

/** Minimum size of a call in tokens: even the smallest call takes one request from the quota. */
const MIN_TOKENS = 200;
/**
 * Maximum size of a call in tokens, more than any model accepts. Keeps sums finite and densities above 0, whatever size
 * a caller states.
 */
export const MAX_TOKENS = 1e9;
/**
 * Each priority is worth this many times the one below. With a larger base, more calls of priority 5 are served in an
 * overload, but fewer calls in total.
 */
const PRIORITY_BASE = 2.5;
const MAX_DENSITY = PRIORITY_BASE ** 4 / MIN_TOKENS;
const STEPS_PER_OCTAVE = 8;

/**
 * Number of logarithmic density buckets of an eighth of an octave (9 %) each. The last one starts at a priority 1 call
 * of about 300,000 tokens.
 */
export const DENSITY_BUCKETS = 128;

/**
 * The value of a call per unit of quota: 2.5^(priority-1) / max(200, prompt + output tokens).
 * Serving in this order is the greedy solution of the knapsack problem (Dantzig 1957).
 */
export function density(priority: Priority, promptTokens: number, outputTokens: number): number {
  const tokens = promptTokens + outputTokens;
  return PRIORITY_BASE ** (priority - 1) / (tokens > MIN_TOKENS ? Math.min(tokens, MAX_TOKENS) : MIN_TOKENS);
}

/** The bucket of a density; 0 is the densest. */
export function densityBucket(value: number): number {
  const step = Math.floor(Math.log2(MAX_DENSITY / value) * STEPS_PER_OCTAVE);
  return step > 0 ? Math.min(step, DENSITY_BUCKETS - 1) : 0;
}

/** After waiting this long, in milliseconds, a call ranks equal to a new call of twice its density. */
const OCTAVE_MS = 60_000;

/**
 * The rank of a call in the queue; a higher rank goes first. By density alone, a stream of slightly denser calls could
 * keep a call waiting forever; even equal calls differ slightly, because their expected output is learnt. A rank never
 * changes, because all waiting calls age alike.
 * @param enteredAt When the call began to wait, on the clock of performance.now().
 */
export function rank(value: number, enteredAt: number): number {
  return Math.log2(value) - enteredAt / OCTAVE_MS;
}

export interface Ranked {
  readonly rank: number;
  /** Order of arrival. */
  readonly seq: number;
}

/** Whether `a` comes before `b` in the queue: by rank, then in order of arrival. */
export function before(a: Ranked, b: Ranked): boolean {
  return a.rank > b.rank || (a.rank === b.rank && a.seq < b.seq);
}
