import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { Random } from 'express-ai-balancer/simulator';

/** The lengths of one call, in tokens. */
export interface Length {
  prompt: number;
  output: number;
}

/** Returns the lengths of the next call. */
export type Lengths = () => Length;

type Quantiles = readonly (readonly [share: number, tokens: number])[];

// Measured on the Azure LLM inference trace 2023, conversations: Azure/AzurePublicDataset,
// AzureLLMInferenceTrace_conv.csv (Patel et al., Splitwise, ISCA'24), CC-BY 4.0. 19,366 calls.
// The means of the trace are 1154.7 and 211.1 tokens.
const PROMPT: Quantiles = [
  [0, 2],
  [0.01, 29],
  [0.05, 181],
  [0.1, 207],
  [0.2, 387],
  [0.3, 403],
  [0.4, 703],
  [0.5, 1020],
  [0.6, 1071],
  [0.7, 1130],
  [0.8, 1315],
  [0.9, 2735],
  [0.95, 4083],
  [0.99, 4142],
  [1, 14050],
];
const OUTPUT: Quantiles = [
  [0, 7],
  [0.01, 16],
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
  [1, 1000],
];

/** Lengths drawn from the published percentiles of the trace, for use without the trace itself. */
export function publishedLengths(random: Random): Lengths {
  return () => ({ prompt: at(PROMPT, random()), output: at(OUTPUT, random()) });
}

/** The rows of a trace in order, from a random offset. The file is CSV, optionally gzipped, with these two columns. */
export function traceLengths(file: string, random: Random): Lengths {
  const bytes = readFileSync(file);
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  const [header = '', ...lines] = text.trim().split(/\r?\n/);
  const columns = header.split(',');
  const prompt = columns.indexOf('prompt_tokens');
  const output = columns.indexOf('output_tokens');
  if (prompt < 0 || output < 0)
    throw new Error(`${file}: expected the columns prompt_tokens and output_tokens`);
  const rows = lines
    .map((line) => line.split(',').map(Number))
    .map((fields) => ({ prompt: fields[prompt] ?? 0, output: fields[output] ?? 0 }))
    .filter((row) => row.prompt > 0 && row.output > 0);
  if (rows.length === 0) throw new Error(`${file}: no row has both a prompt and an output length`);
  let next = Math.floor(random() * rows.length);
  return () => rows[next++ % rows.length]!;
}

function at(quantiles: Quantiles, share: number): number {
  const above = quantiles.findIndex(([upTo]) => share < upTo);
  const [highShare, high] = quantiles[above]!;
  const [lowShare, low] = quantiles[above - 1]!;
  return Math.round(low + ((share - lowShare) / (highShare - lowShare)) * (high - low));
}
