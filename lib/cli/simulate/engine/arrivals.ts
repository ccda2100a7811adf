import { type Random, seededRandom } from '../../../simulator/physics';
import type { TraceRow } from './trace';

/** Requests a second over time: a base, a rise to a peak, a plateau, and back. */
export interface RateShape {
  readonly baseRps: number;
  readonly peakRps: number;
  readonly riseAtS: number;
  readonly riseS: number;
  readonly holdS: number;
  /** Time constant of the way back, in seconds. */
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

/** Arrivals of a Poisson process of that rate, in milliseconds (thinning: Lewis and Shedler, 1979). */
export function poissonArrivals(shape: RateShape, seconds: number, seed: number): number[] {
  const random = seededRandom(seed);
  const most = Math.max(shape.baseRps, shape.peakRps);
  const arrivals: number[] = [];
  for (let at = gap(random, most); at < seconds; at += gap(random, most)) {
    if (random() * most < rateAt(shape, at)) arrivals.push(at * 1000);
  }
  return arrivals;
}

function gap(random: Random, rate: number): number {
  return -Math.log(1 - random()) / rate;
}

/** The trace's own gaps from a row on, scaled so that its mean rate becomes `rps`; in milliseconds. */
export function traceArrivals(
  rows: readonly TraceRow[],
  offset: number,
  rps: number,
  seconds: number,
): number[] {
  const first = rows[0]?.atMs ?? 0;
  const last = rows[rows.length - 1]?.atMs ?? 0;
  const meanGap = (last - first) / (rows.length - 1);
  const scale = 1000 / rps / meanGap;
  const arrivals: number[] = [];
  let at = 0;
  for (let step = 0; at < seconds * 1000; step++) {
    arrivals.push(at);
    const here = rows[(offset + step) % rows.length]?.atMs ?? 0;
    const next = rows[(offset + step + 1) % rows.length]?.atMs ?? 0;
    // From the last row to the first there is no gap to take; the mean stands in for it.
    at += (next >= here ? next - here : meanGap) * scale;
  }
  return arrivals;
}
