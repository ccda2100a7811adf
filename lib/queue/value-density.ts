import type { Priority } from '../call/context';

/** Smaller calls count as this size, because even the smallest call takes one request from the quota. */
const MIN_TOKENS = 200;
/** More than any model accepts. Keeps sums finite and densities above 0, whatever a caller claims. */
export const MAX_TOKENS = 1e9;
/**
 * Each priority is worth this many times the one below. A larger base serves more calls of priority 5 in an overload and
 * fewer in all.
 */
const PRIORITY_BASE = 2.5;
const MAX_DENSITY = PRIORITY_BASE ** 4 / MIN_TOKENS;
const STEPS_PER_OCTAVE = 8;

/** Log-density buckets of an eighth of an octave (9 %) each, down to a priority 1 call of 800,000 tokens. */
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

/** After this time in milliseconds a waiting call comes before a new call of twice its density. */
const OCTAVE_MS = 60_000;

/**
 * The rank of a call in the queue; higher goes first. By density alone, a stream of slightly denser calls could keep a
 * call waiting forever, and even equal calls differ slightly, because their expected output is learnt. A rank never
 * changes, because all waiting calls age alike.
 * @param enteredAt In `performance.now()` time.
 */
export function rank(value: number, enteredAt: number): number {
  return Math.log2(value) - enteredAt / OCTAVE_MS;
}

export interface Ranked {
  readonly rank: number;
  /** Order of arrival. */
  readonly seq: number;
}

/** The order of the queue: by rank, then first come, first served. */
export function before(a: Ranked, b: Ranked): boolean {
  return a.rank > b.rank || (a.rank === b.rank && a.seq < b.seq);
}
