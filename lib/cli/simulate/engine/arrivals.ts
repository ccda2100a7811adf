import { type Random, seededRandom } from '../../../simulator/behavior';
import type { TraceRow } from './trace';

/** Requests per second over time: a base rate, a rise to a peak, a plateau and a decay back to the base. */
export interface RateShape {
  readonly baseRps: number;
  readonly peakRps: number;
  readonly riseAtS: number;
  readonly riseS: number;
  readonly holdS: number;
  /** Time constant of the decay, in seconds. */
  readonly decayS: number;
}

export function rateAt(shape: RateShape, second: number): number {
  const { baseRps, peakRps, riseAtS, riseS, holdS, decayS } = shape;
  if (second < riseAtS) return baseRps;
  const risen = riseAtS + riseS;
  if (second < risen) return baseRps + ((peakRps - baseRps) * (second - riseAtS)) / riseS;
  if (second < risen + holdS) return peakRps;
  return baseRps + (peakRps - baseRps) * Math.exp(-(second - risen - holdS) / decayS);
}

/** Draws arrival times of a Poisson process with that rate, in milliseconds, by thinning (Lewis and Shedler, 1979). */
export function poissonArrivals(shape: RateShape, seconds: number, seed: number): number[] {
  const random = seededRandom(seed);
  const maxRate = Math.max(shape.baseRps, shape.peakRps);
  const arrivals: number[] = [];
  for (let at = gap(random, maxRate); at < seconds; at += gap(random, maxRate)) {
    if (random() * maxRate < rateAt(shape, at)) arrivals.push(at * 1000);
  }
  return arrivals;
}

function gap(random: Random, rate: number): number {
  return -Math.log(1 - random()) / rate;
}

/** Returns arrival times in milliseconds with the trace's gaps from row `offset` on, scaled to a mean rate of `rps`. */
export function traceArrivals(
  rows: readonly TraceRow[],
  offset: number,
  rps: number,
  seconds: number,
): number[] {
  const atMs = (index: number): number => (rows[index % rows.length] as TraceRow).atMs;
  const meanGap = (atMs(rows.length - 1) - atMs(0)) / (rows.length - 1);
  const scale = 1000 / rps / meanGap;
  const arrivals: number[] = [];
  let at = 0;
  for (let step = 0; at < seconds * 1000; step++) {
    arrivals.push(at);
    const here = atMs(offset + step);
    const next = atMs(offset + step + 1);
    // At the wrap-around from the last row to the first there is no gap to take, so the mean gap is used.
    at += (next >= here ? next - here : meanGap) * scale;
  }
  return arrivals;
}
