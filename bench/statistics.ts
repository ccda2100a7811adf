import { percentile as percentileOfSorted } from '../lib/cli/simulate/engine/figures';

/** Nearest-rank percentile of unsorted values; `share` is 0 to 1. NaN for an empty array. */
export function percentile(values: readonly number[], share: number): number {
  return percentileOfSorted(
    [...values].sort((a, b) => a - b),
    share,
  );
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}
