import type { Priority } from '../call/context';

/** Below this size all calls count alike: a quota spends a request on the smallest too. */
const MIN_TOKENS = 200;
/** More than any model reads; keeps sums finite and densities above 0 whatever a caller claims. */
export const MAX_TOKENS = 1e9;
const MAX_DENSITY = 2 ** 4 / MIN_TOKENS;
const STEPS_PER_OCTAVE = 8;

/** Log-density buckets: an eighth of an octave (9 %) each, down to a priority 1 call of 800,000 tokens. */
export const DENSITY_BUCKETS = 128;

/**
 * What a call is worth for the quota it takes: 2^(priority-1) / max(200, prompt + output).
 * Serving in this order is the greedy answer to the knapsack problem (Dantzig 1957).
 */
export function density(priority: Priority, promptTokens: number, outputTokens: number): number {
  const tokens = promptTokens + outputTokens;
  return 2 ** (priority - 1) / (tokens > MIN_TOKENS ? Math.min(tokens, MAX_TOKENS) : MIN_TOKENS);
}

/** The bucket of a density: 0 for the densest. */
export function densityBucket(value: number): number {
  const step = Math.floor(Math.log2(MAX_DENSITY / value) * STEPS_PER_OCTAVE);
  return step > 0 ? Math.min(step, DENSITY_BUCKETS - 1) : 0;
}

/** What waiting is worth: after so many milliseconds a call goes before a new one of twice its density. */
const OCTAVE_MS = 60_000;

/**
 * The place of a call in the queue: higher goes first. Density alone would let a stream of slightly denser calls keep
 * one waiting for ever, and calls that are all alike do differ slightly, as the output to be expected of them is learnt.
 * A rank never changes, because all that wait grow older alike.
 * @param enteredAt On the scale of `performance.now()`.
 */
export function rank(value: number, enteredAt: number): number {
  return Math.log2(value) - enteredAt / OCTAVE_MS;
}

export interface Ranked {
  readonly rank: number;
  /** The order of arrival. */
  readonly seq: number;
}

/** The order of the queue; first come first served where the rank is equal. */
export function before(a: Ranked, b: Ranked): boolean {
  return a.rank > b.rank || (a.rank === b.rank && a.seq < b.seq);
}
