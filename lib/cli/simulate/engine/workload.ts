import { lognormal, type Random, seededRandom } from '../../../simulator/behavior';
import type { TraceRow } from './trace';

export type Priority = 1 | 2 | 3 | 4 | 5;

/** One call of a workload. Lengths are in tokens, times in milliseconds. */
export interface WorkCall {
  readonly index: number;
  /** Time of arrival, from the start of the run. */
  readonly atMs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly maxTokens: number;
  /** The output length that the caller expects, which may differ from `outputTokens`. */
  readonly expectedOutputTokens: number;
  readonly priority: Priority;
  readonly deadlineMs: number;
  readonly minQuality: number;
  /** Price ceiling in USD per 1,000 tokens; undefined for none. */
  readonly maxUsdPer1k: number | undefined;
  /** Further properties of a logged call; absent for a call that was drawn at random. */
  readonly logged?: LoggedNeeds;
}

/** The properties of a call in a route log other than its lengths. */
export interface LoggedNeeds {
  readonly stream: boolean;
  readonly model: string | undefined;
  readonly tenant: string | undefined;
  readonly type: 'chat' | 'embedding' | 'analysis' | 'code' | undefined;
  readonly tags: readonly string[] | undefined;
  /** Whether the caller had limited the output tokens. */
  readonly hasMaxTokens: boolean;
  /** Whether the call had a deadline. */
  readonly hasDeadline: boolean;
}

/** The distributions from which properties of each call are drawn. */
export interface WorkloadDistributions {
  readonly qualities: readonly (readonly [share: number, minQuality: number])[];
  readonly ceilings: readonly (readonly [share: number, usdPer1k: number | undefined])[];
  /** Calls that require at least this quality have no price ceiling. */
  readonly noCeilingFrom: number;
  /**
   * Range in seconds from which deadlines are drawn uniformly. Default: a range that grows with the answer's length.
   */
  readonly deadlineS?: readonly [number, number];
}

const PRIORITIES: readonly (readonly [share: number, priority: Priority])[] = [
  [0.1, 5],
  [0.2, 4],
  [0.4, 3],
  [0.2, 2],
  [0.1, 1],
];

/** Builds the calls of a workload: lengths are taken from the trace in order, everything else is drawn at random. */
export function drawCalls(
  arrivals: readonly number[],
  rows: readonly TraceRow[],
  offset: number,
  law: WorkloadDistributions,
  seed: number,
): WorkCall[] {
  const random = seededRandom(seed);
  return arrivals.map((atMs, index) => {
    const row = rows[(offset + index) % rows.length];
    if (!row) throw new RangeError('the trace has no rows');
    return drawCall(index, atMs, row, law, random);
  });
}

function drawCall(
  index: number,
  atMs: number,
  row: TraceRow,
  law: WorkloadDistributions,
  random: Random,
): WorkCall {
  const outputTokens = Math.max(1, row.outputTokens);
  const priority = drawByShare(PRIORITIES, random);
  const shortestMs = law.deadlineS ? 1000 * law.deadlineS[0] : 3000 + 60 * outputTokens;
  const spread = law.deadlineS ? law.deadlineS[1] / law.deadlineS[0] - 1 : 1;
  const deadlineMs = shortestMs * (1 + spread * random());
  const maxTokens = Math.ceil(outputTokens * (1.1 + 1.4 * random()));
  const expected = Math.max(1, Math.round(outputTokens * lognormal(random, 0.35)));
  const minQuality = drawByShare(law.qualities, random);
  const ceiling = drawByShare(law.ceilings, random);
  return {
    index,
    atMs,
    promptTokens: Math.max(1, row.promptTokens),
    outputTokens,
    maxTokens,
    expectedOutputTokens: Math.min(expected, maxTokens),
    priority,
    deadlineMs,
    minQuality,
    maxUsdPer1k: minQuality >= law.noCeilingFrom ? undefined : ceiling,
  };
}

/** Draws a value by the shares. If they add up to less than 1, the last value gets the rest. */
function drawByShare<T>(shares: readonly (readonly [share: number, value: T])[], random: Random): T {
  let left = random();
  for (const [share, value] of shares) {
    left -= share;
    if (left < 0) return value;
  }
  const last = shares[shares.length - 1];
  if (!last) throw new RangeError('nothing to choose from');
  return last[1];
}
