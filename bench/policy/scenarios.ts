import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { poissonArrivals, type RateShape, traceArrivals } from '../../lib/cli/simulate/engine/arrivals';
import type { RunPlan } from '../../lib/cli/simulate/engine/run';
import { readTrace, type TraceRow } from '../../lib/cli/simulate/engine/trace';
import type { ScheduledFault } from '../../lib/cli/simulate/engine/virtual-provider';
import { drawCalls, type WorkloadDistributions } from '../../lib/cli/simulate/engine/workload';
import { publishedLengths } from '../../lib/cli/simulate/lengths';
import { type Fault, seededRandom } from '../../lib/simulator/behavior';
import { type FleetEndpoint, type FleetName, fleetNamed } from './fleets';

interface ScenarioFault {
  readonly fault: Fault;
  readonly on: readonly string[];
  readonly fromS: number;
  readonly toS: number;
}

interface Scenario {
  /** Default 'standard'. */
  readonly fleet?: FleetName;
  readonly trace: 'azure_llm_conv_2023' | 'azure_llm_code_2023';
  /** Whether lengths are mixed: half of both traces, one call in ten long. Default false. */
  readonly mixedLengths?: boolean;
  /** Deadlines are uniform between these, in seconds. Default: by the length of the answer. */
  readonly deadlineS?: readonly [number, number];
  readonly seconds: number;
  /** The trace's gaps scaled to a mean rate, or a Poisson process with a changing rate. */
  readonly arrivals: { readonly rps: number } | RateShape;
  readonly faults: readonly ScenarioFault[];
}

/** Times and lengths of real traffic (Azure/AzurePublicDataset, CC-BY 4.0); not part of this repository. */
const TRACES = resolve(__dirname, '../../../shared/data');
/** Factor by which --quick shortens scenarios, their faults and their spikes. */
const QUICK_FACTOR = 6;
/** Number of rows drawn from the published percentiles if the traces are not available. */
const DRAWN_ROWS = 20_000;

/** What the calls of every scenario require. */
const DISTRIBUTIONS: WorkloadDistributions = {
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

const FLASH = { riseAtS: 60, riseS: 5, holdS: 90, decayS: 20 };
const SLOW_IN_FLASH: readonly ScenarioFault[] = [
  { fault: { kind: 'brownout' }, on: ['gemini-flash', 'deepseek-chat'], fromS: 75, toS: 170 },
  { fault: { kind: 'err5xx', share: 0.2 }, on: ['azure-4o'], fromS: 65, toS: 170 },
];

export const SCENARIOS = [
  'steady',
  'codeburst',
  'faults',
  'flash50',
  'flashOver',
  'return',
  'fastWrong',
  'loadLatency',
  'fleet500',
  'mixed',
] as const;
export type ScenarioName = (typeof SCENARIOS)[number];

const SCENARIO: Readonly<Record<ScenarioName, Scenario>> = {
  steady: { trace: 'azure_llm_conv_2023', seconds: 300, arrivals: { rps: 28 }, faults: [] },
  codeburst: { trace: 'azure_llm_code_2023', seconds: 300, arrivals: { rps: 14 }, faults: [] },
  faults: {
    trace: 'azure_llm_conv_2023',
    seconds: 420,
    arrivals: { rps: 25 },
    faults: [
      { fault: { kind: 'outage' }, on: ['openai-4o-mini'], fromS: 40, toS: 120 },
      { fault: { kind: 'brownout' }, on: ['gemini-flash'], fromS: 100, toS: 200 },
      { fault: { kind: 'err5xx', share: 0.2 }, on: ['azure-4o', 'azure-4o-mini'], fromS: 200, toS: 300 },
      {
        fault: { kind: 'storm429' },
        on: ['openai-4.1', 'openai-4o-k1', 'openai-4o-k2'],
        fromS: 280,
        toS: 360,
      },
      { fault: { kind: 'outage' }, on: ['deepseek-chat'], fromS: 300, toS: 400 },
    ],
  },
  flash50: {
    trace: 'azure_llm_conv_2023',
    seconds: 300,
    arrivals: { baseRps: 0.8, peakRps: 40, ...FLASH },
    faults: SLOW_IN_FLASH,
  },
  // 2.6 times what the quotas allow.
  flashOver: {
    trace: 'azure_llm_conv_2023',
    seconds: 300,
    arrivals: { baseRps: 3, peakRps: 150, ...FLASH },
    faults: [...SLOW_IN_FLASH, { fault: { kind: 'outage' }, on: ['openai-4o-mini'], fromS: 90, toS: 130 }],
  },
  // Everything is down for a minute. Callers wait 75 to 150 s.
  return: {
    trace: 'azure_llm_conv_2023',
    seconds: 240,
    arrivals: { rps: 25 },
    deadlineS: [75, 150],
    faults: [
      { fault: { kind: 'outage' }, on: fleetNamed('standard').map(({ name }) => name), fromS: 80, toS: 140 },
    ],
  },
  // One endpoint answers in no time: 20 % with a 400 that is wrong, 5 % without content.
  fastWrong: {
    fleet: 'fastWrong',
    trace: 'azure_llm_conv_2023',
    seconds: 300,
    arrivals: { rps: 25 },
    faults: [
      {
        fault: { kind: 'error', status: 400, share: 0.2, afterMs: 20, message: 'Invalid request' },
        on: ['gemini-flash'],
        fromS: 0,
        toS: 300,
      },
      {
        fault: { kind: 'bad_answer', form: 'empty_choices', share: 0.05 },
        on: ['gemini-flash'],
        fromS: 0,
        toS: 300,
      },
    ],
  },
  // Eight equal servers without headers, loaded so far that latency depends on how evenly calls are spread.
  loadLatency: {
    fleet: 'servers',
    trace: 'azure_llm_conv_2023',
    seconds: 300,
    arrivals: { rps: 28 },
    faults: [],
  },
  // 504 keys.
  fleet500: {
    fleet: 'large',
    trace: 'azure_llm_conv_2023',
    seconds: 150,
    arrivals: { baseRps: 4, peakRps: 200, riseAtS: 30, riseS: 5, holdS: 60, decayS: 10 },
    faults: [
      {
        fault: { kind: 'brownout' },
        on: fleetNamed('large').flatMap(({ name }) => (/^(gemini|deepseek)/.test(name) ? [name] : [])),
        fromS: 45,
        toS: 100,
      },
    ],
  },
  // Short and long calls side by side.
  mixed: {
    trace: 'azure_llm_conv_2023',
    mixedLengths: true,
    seconds: 300,
    arrivals: { baseRps: 0.8, peakRps: 30, ...FLASH },
    faults: SLOW_IN_FLASH,
  },
};

const traces = new Map<string, TraceRow[]>();

export function fleetOf(name: ScenarioName): readonly FleetEndpoint[] {
  return fleetNamed(SCENARIO[name].fleet ?? 'standard');
}

/** False if lengths and gaps must be drawn from published percentiles. */
export function hasTraces(): boolean {
  return existsSync(TRACES);
}

/** A run. Every policy gets the same calls, faults and random numbers for the same seed. */
export function planOf(name: ScenarioName, seed: number, quick: boolean): RunPlan {
  const scenario = SCENARIO[name];
  const pace = quick ? QUICK_FACTOR : 1;
  const rows = scenario.mixedLengths ? mixedRows() : rowsOf(scenario.trace);
  const random = seededRandom(seed * 65_537 + name.length * 257 + name.charCodeAt(0));
  const offset = Math.floor(random() * rows.length);
  const seconds = scenario.seconds / pace;
  const arrivals = arrivalsOf(scenario, rows, offset, seconds, pace, seed);
  return {
    seed,
    providers: fleetOf(name).map((endpoint) => ({
      name: endpoint.name,
      model: endpoint.model,
      description: descriptionOf(endpoint),
    })),
    faults: scenario.faults.flatMap((fault) => scheduled(fault, pace)),
    calls: drawCalls(
      arrivals,
      rows,
      offset,
      scenario.deadlineS ? { ...DISTRIBUTIONS, deadlineS: scenario.deadlineS } : DISTRIBUTIONS,
      seed * 17 + 3,
    ),
  };
}

export function descriptionOf(endpoint: FleetEndpoint) {
  return {
    rpm: endpoint.rpm,
    tpm: endpoint.tpm,
    ttftMs: endpoint.ttftMs,
    msPerOutputToken: endpoint.msPerOutputToken,
    msPerPromptToken: endpoint.msPerPromptToken,
    tokensCharged: endpoint.tokensCharged,
    bucketSeconds: endpoint.bucketSeconds,
    sendsRateLimitHeaders: endpoint.sendsRateLimitHeaders,
    comfortableInFlight: endpoint.comfortableInFlight,
    price: { input: endpoint.usdPer1MInput, output: endpoint.usdPer1MOutput },
    contextWindow: endpoint.contextWindow,
  };
}

function rowsOf(name: string): TraceRow[] {
  const known = traces.get(name);
  if (known) return known;
  const rows = hasTraces() ? readTrace(`${TRACES}/${name}.csv.gz`) : publishedLengths(DRAWN_ROWS, 1);
  traces.set(name, rows);
  return rows;
}

/** Chats and code completions in turn; every tenth call is a long one. */
function mixedRows(): TraceRow[] {
  const code = rowsOf('azure_llm_code_2023');
  return rowsOf('azure_llm_conv_2023').map((row, index) => {
    if (index % 10 === 9) {
      return { ...row, promptTokens: row.promptTokens * 8, outputTokens: row.outputTokens * 4 };
    }
    const other = code[index % code.length];
    return index % 2 === 0 && other ? { ...other, atMs: row.atMs } : row;
  });
}

function arrivalsOf(
  { arrivals }: Scenario,
  rows: readonly TraceRow[],
  offset: number,
  seconds: number,
  pace: number,
  seed: number,
): number[] {
  if ('rps' in arrivals && hasTraces()) return traceArrivals(rows, offset, arrivals.rps, seconds);
  const shape = 'rps' in arrivals ? { baseRps: arrivals.rps, peakRps: arrivals.rps, ...FLASH } : arrivals;
  const { baseRps, peakRps } = shape;
  const paced = {
    baseRps,
    peakRps,
    riseAtS: shape.riseAtS / pace,
    riseS: shape.riseS / pace,
    holdS: shape.holdS / pace,
    decayS: shape.decayS / pace,
  };
  return poissonArrivals(paced, seconds, seed * 31 + 5);
}

function scheduled({ fault, on, fromS, toS }: ScenarioFault, pace: number): ScheduledFault[] {
  return on.map((name) => ({ on: name, fault, fromS: fromS / pace, toS: toS / pace }));
}
