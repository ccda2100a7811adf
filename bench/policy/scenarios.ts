import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { poissonArrivals, type RateShape, traceArrivals } from '../../lib/cli/simulate/machine/arrivals';
import type { RunPlan } from '../../lib/cli/simulate/machine/run';
import { readTrace, type TraceRow } from '../../lib/cli/simulate/machine/trace';
import type { ScheduledFault } from '../../lib/cli/simulate/machine/virtual-provider';
import { drawCalls, type WorkloadLaw } from '../../lib/cli/simulate/machine/workload';
import { type Fault, parseFault, seededRandom } from '../../lib/simulator/physics';

/** One endpoint of the fleet, as scenarios.json describes it. */
export interface FleetEndpoint {
  readonly name: string;
  readonly provider: string;
  readonly model: string;
  readonly rpm: number;
  readonly tpm: number;
  readonly ttftMs: number;
  readonly msPerOutputToken: number;
  readonly msPerPromptToken: number;
  readonly usdPer1MInput: number;
  readonly usdPer1MOutput: number;
  readonly quality: number;
  readonly contextWindow: number;
  readonly tokensCharged: string;
  readonly bucketSeconds: number;
  readonly sendsRateLimitHeaders: boolean;
  readonly comfortableInFlight: number;
}

interface ScenarioFault {
  readonly kind: string;
  readonly on: readonly string[];
  readonly fromS: number;
  readonly toS: number;
  readonly share?: number;
  readonly factor?: number;
}

interface ScenarioFile {
  readonly fleet: readonly FleetEndpoint[];
  readonly scenarios: Readonly<
    Record<string, { trace: string; seconds: number; rps: number | string; faults: readonly ScenarioFault[] }>
  >;
}

const SHARED = resolve(__dirname, '../../../shared');
/** How many times as fast --quick lets time pass: the faults and the flash come that much sooner. */
const QUICK = 6;

/** The workload of the scenarios: see "workloadLaw" in scenarios.json. */
const LAW: WorkloadLaw = {
  qualities: [
    [0.35, 0],
    [0.35, 0.72],
    [0.2, 0.78],
    [0.1, 0.86],
  ],
  ceilings: [
    [0.6, undefined],
    [0.25, 0.004],
    [0.15, 0.0009],
  ],
  noCeilingFrom: 0.86,
};

/** The flashes are told in words there; these are the words as figures. */
const FLASHES: Readonly<Record<string, RateShape>> = {
  flash50: { baseRps: 0.8, peakRps: 40, riseAtS: 60, riseS: 5, holdS: 90, decayS: 20 },
  flashOver: { baseRps: 3, peakRps: 150, riseAtS: 60, riseS: 5, holdS: 90, decayS: 20 },
};

export const SCENARIOS = ['steady', 'codeburst', 'faults', 'flash50', 'flashOver'] as const;
export type ScenarioName = (typeof SCENARIOS)[number];

let file: ScenarioFile | undefined;
const traces = new Map<string, TraceRow[]>();

function scenarioFile(): ScenarioFile {
  file ??= JSON.parse(readFileSync(`${SHARED}/scenarios.json`, 'utf8')) as ScenarioFile;
  return file;
}

export function fleet(): readonly FleetEndpoint[] {
  return scenarioFile().fleet;
}

/** The same calls, faults and luck for every policy with that seed. */
export function planOf(name: ScenarioName, seed: number, quick: boolean): RunPlan {
  const scenario = scenarioFile().scenarios[name];
  if (!scenario) throw new RangeError(`no scenario '${name}'`);
  const pace = quick ? QUICK : 1;
  const rows = traceOf(scenario.trace);
  const random = seededRandom(seed * 65_537 + name.length * 257 + name.charCodeAt(0));
  const offset = Math.floor(random() * rows.length);
  const seconds = scenario.seconds / pace;
  const arrivals =
    typeof scenario.rps === 'number'
      ? traceArrivals(rows, offset, scenario.rps, seconds)
      : poissonArrivals(shapeOf(name, pace), seconds, seed * 31 + 5);
  return {
    seed,
    providers: fleet().map((endpoint) => ({
      name: endpoint.name,
      model: endpoint.model,
      description: descriptionOf(endpoint),
    })),
    faults: scenario.faults.flatMap((fault) => scheduled(fault, pace)),
    calls: drawCalls(arrivals, rows, offset, LAW, seed * 17 + 3),
  };
}

export function descriptionOf(endpoint: FleetEndpoint) {
  return {
    rpm: endpoint.rpm,
    tpm: endpoint.tpm,
    ttftMs: endpoint.ttftMs,
    msPerOutputToken: endpoint.msPerOutputToken,
    msPerPromptToken: endpoint.msPerPromptToken,
    tokensCharged: endpoint.tokensCharged.startsWith('prompt+max_tokens')
      ? ('reserved' as const)
      : ('actual' as const),
    bucketSeconds: endpoint.bucketSeconds,
    sendsRateLimitHeaders: endpoint.sendsRateLimitHeaders,
    comfortableInFlight: endpoint.comfortableInFlight,
    price: { input: endpoint.usdPer1MInput, output: endpoint.usdPer1MOutput },
    contextWindow: endpoint.contextWindow,
  };
}

function traceOf(name: string): TraceRow[] {
  const known = traces.get(name);
  if (known) return known;
  const rows = readTrace(`${SHARED}/data/${name}.csv.gz`);
  traces.set(name, rows);
  return rows;
}

function shapeOf(name: string, pace: number): RateShape {
  const shape = FLASHES[name];
  if (!shape) throw new RangeError(`the scenario '${name}' has no rate`);
  const { riseAtS, riseS, holdS, decayS } = shape;
  return {
    ...shape,
    riseAtS: riseAtS / pace,
    riseS: riseS / pace,
    holdS: holdS / pace,
    decayS: decayS / pace,
  };
}

function scheduled({ on, fromS, toS, ...fault }: ScenarioFault, pace: number): ScheduledFault[] {
  const parsed: Fault = parseFault(fault);
  return on.map((name) => ({ on: name, fault: parsed, fromS: fromS / pace, toS: toS / pace }));
}
