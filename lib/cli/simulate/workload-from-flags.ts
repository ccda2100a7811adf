import { seededRandom } from '../../simulator/behavior';
import { UsageError } from '../usage-error';
import { poissonArrivals, type RateShape, traceArrivals } from './engine/arrivals';
import { readTrace, type TraceRow } from './engine/trace';
import { drawCalls, type WorkCall, type WorkloadDistributions } from './engine/workload';
import type { SimulateFlags } from './flags';
import { publishedLengths } from './lengths';

/** Calls without requirements on quality or price. */
const DISTRIBUTIONS: WorkloadDistributions = {
  qualities: [[1, 0]],
  ceilings: [[1, undefined]],
  noCeilingFrom: 2,
};
const RISE_S = 5;
/** Maximum number of calls. More would take minutes and gigabytes of memory. */
const MAX_CALLS = 500_000;

export function workloadOf(flags: SimulateFlags): WorkCall[] {
  const { rps, seconds, seed } = flags;
  if (rps * seconds > MAX_CALLS) {
    throw new UsageError(`--rps ${rps} for ${seconds} s exceeds the maximum of ${MAX_CALLS} calls`);
  }
  const trace = flags.trace === undefined ? undefined : loadTrace(flags.trace);
  const offset = trace ? Math.floor(seededRandom(seed)() * trace.length) : 0;
  const arrivals =
    trace && flags.spike === 1
      ? traceArrivals(trace, offset, rps, seconds)
      : poissonArrivals(shapeOf(flags), seconds, seed * 31 + 5);
  const rows = trace ?? publishedLengths(arrivals.length + 1, seed * 13 + 11);
  const calls = drawCalls(arrivals, rows, offset, DISTRIBUTIONS, seed * 17 + 3);
  const { deadlineMs } = flags;
  return deadlineMs === undefined ? calls : calls.map((call) => ({ ...call, deadlineMs }));
}

/** Returns the rate of calls over time: constant, or a base rate with a spike. */
export function shapeOf({
  rps,
  spike,
  seconds,
}: Pick<SimulateFlags, 'rps' | 'spike' | 'seconds'>): RateShape {
  return {
    baseRps: rps / spike,
    peakRps: rps,
    riseAtS: seconds / 5,
    riseS: Math.min(RISE_S, seconds / 60),
    holdS: (3 * seconds) / 10,
    decayS: seconds / 15,
  };
}

function loadTrace(file: string): TraceRow[] {
  try {
    return readTrace(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError(code === 'ENOENT' ? `--trace: no such file: ${file}` : `--trace: ${message}`);
  }
}
