import { type Random, seededRandom } from '../../simulator/behavior';
import type { TraceRow } from './engine/trace';

type Quantiles = readonly (readonly [part: number, tokens: number])[];

/*
 * Percentiles of AzureLLMInferenceTrace_conv (Azure/AzurePublicDataset, CC-BY 4.0; Patel et al., Splitwise, ISCA 2024):
 * 19,366 calls of a chat service in 2023. Lengths between two percentiles are interpolated, which reproduces the means
 * of the trace, 1,155 and 211, within 2 %.
 */
const PROMPT: Quantiles = [
  [0, 2],
  [0.05, 181],
  [0.1, 207],
  [0.2, 387],
  [0.3, 403],
  [0.4, 703],
  [0.5, 1020],
  [0.6, 1071],
  [0.7, 1130],
  [0.8, 1315],
  [0.9, 2734],
  [0.95, 4083],
  [0.99, 4142],
  [0.999, 6122],
  [1, 14050],
];
const OUTPUT: Quantiles = [
  [0, 7],
  [0.05, 41],
  [0.1, 54],
  [0.2, 77],
  [0.3, 91],
  [0.4, 103],
  [0.5, 129],
  [0.6, 177],
  [0.7, 384],
  [0.8, 400],
  [0.9, 424],
  [0.95, 451],
  [0.99, 601],
  [0.999, 954],
  [1, 1000],
];

/** Draws rows with the lengths of public chat traffic, for simulations without a trace. */
export function publishedLengths(count: number, seed: number): TraceRow[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => ({
    atMs: 0,
    promptTokens: draw(PROMPT, random),
    outputTokens: draw(OUTPUT, random),
  }));
}

function draw(knots: Quantiles, random: Random): number {
  const part = random();
  // Always found and never the first, because the first knot is at 0 and the last one at 1.
  const upper = knots.findIndex(([to]) => part < to);
  const [[from, low], [to, high]] = knots.slice(upper - 1, upper + 1) as [Quantiles[0], Quantiles[0]];
  return Math.round(low + ((high - low) * (part - from)) / (to - from));
}
