import { parseArgs } from 'node:util';
import { UsageError } from '../usage-error';

/** A fault of one endpoint, with its start and duration in seconds of the run. */
export interface FaultFlag {
  readonly endpoint: string;
  readonly fromS: number;
  readonly forS: number;
}

export interface SimulateFlags {
  readonly config: string;
  /** Calls per second, at the peak of the spike if there is one. */
  readonly rps: number;
  /** Ratio of the peak rate to the base rate; 1 for no spike. */
  readonly spike: number;
  readonly outages: readonly FaultFlag[];
  readonly brownouts: readonly FaultFlag[];
  readonly trace: string | undefined;
  /** Path of a route log whose calls are simulated in place of random ones. */
  readonly replay: string | undefined;
  /** Names of endpoints that are left out. */
  readonly without: readonly string[];
  readonly seconds: number;
  readonly seed: number;
  /** The model of every call; undefined for 'auto'. */
  readonly model: string | undefined;
  /** The deadline of every call; undefined to derive it from the length of the answer. */
  readonly deadlineMs: number | undefined;
  /** The goodput in percent for which to find the number of keys. */
  readonly target: number | undefined;
  readonly json: boolean;
}

/** Flags that can't be combined with a route log, because the log determines these values. */
const REPLACED_BY_LOG = ['rps', 'spike', 'trace', 'seconds', 'model'] as const;
const DEFAULT_RPS = 10;
const DEFAULT_SECONDS = 300;

/** Parses the flags. @throws UsageError with the flag, what was expected and what was given. */
export function parseFlags(args: readonly string[]): SimulateFlags | 'help' {
  const values = read(args);
  if (values.help) return 'help';
  if (values.config === undefined) throw new UsageError('--config FILE is missing (see --help)');
  const replaced = REPLACED_BY_LOG.find((name) => values.replay !== undefined && values[name] !== undefined);
  if (replaced) throw new UsageError(`--${replaced}: the log of --replay says that of each call`);
  if (values.replay !== undefined && values.target !== undefined)
    throw new UsageError('--target: not with --replay, use --without to compare numbers of keys');
  return {
    config: values.config,
    rps: positive('--rps', values.rps, DEFAULT_RPS),
    spike: spike(values.spike),
    outages: (values.outage ?? []).map((text) => fault('--outage', text)),
    brownouts: (values.brownout ?? []).map((text) => fault('--brownout', text)),
    trace: values.trace,
    replay: values.replay,
    without: values.without ?? [],
    seconds: positive('--seconds', values.seconds, DEFAULT_SECONDS),
    seed: seed(values.seed),
    model: values.model,
    deadlineMs:
      values['deadline-ms'] === undefined ? undefined : positive('--deadline-ms', values['deadline-ms'], 0),
    target: values.target === undefined ? undefined : target(values.target),
    json: values.json ?? false,
  };
}

function read(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        config: { type: 'string', short: 'c' },
        rps: { type: 'string' },
        spike: { type: 'string' },
        outage: { type: 'string', multiple: true },
        brownout: { type: 'string', multiple: true },
        trace: { type: 'string' },
        replay: { type: 'string' },
        without: { type: 'string', multiple: true },
        seconds: { type: 'string' },
        seed: { type: 'string' },
        model: { type: 'string' },
        'deadline-ms': { type: 'string' },
        target: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function positive(name: string, given: string | undefined, standard: number): number {
  if (given === undefined) return standard;
  const value = Number(given);
  if (given.trim() !== '' && Number.isFinite(value) && value > 0) return value;
  throw new UsageError(`${name}: expected a number above 0, got '${given}'`);
}

function seed(given: string | undefined): number {
  if (given === undefined) return 1;
  const value = Number(given);
  if (/^\d+$/.test(given) && Number.isSafeInteger(value)) return value;
  throw new UsageError(`--seed: expected an integer of at least 0, got '${given}'`);
}

function target(given: string): number {
  const value = Number(/^(\d+(?:\.\d+)?) ?%?$/.exec(given)?.[1] ?? NaN);
  if (value > 0 && value <= 100) return value;
  throw new UsageError(
    `--target: expected a goodput in percent above 0, at most 100, like 99, got '${given}'`,
  );
}

function spike(given: string | undefined): number {
  if (given === undefined) return 1;
  const value = Number(/^(\d+(?:\.\d+)?)x?$/i.exec(given)?.[1] ?? NaN);
  if (value >= 1) return value;
  throw new UsageError(`--spike: expected a factor of at least 1, like 50x, got '${given}'`);
}

/** Parses NAME@60+120: from second 60, for 120 seconds. The name may contain @, so the last one is the separator. */
function fault(name: string, given: string): FaultFlag {
  const [, endpoint, from, lasts] = /^(.+)@(\d+(?:\.\d+)?)\+(\d+(?:\.\d+)?)$/.exec(given) ?? [];
  if (endpoint !== undefined && Number(lasts) > 0) {
    return { endpoint, fromS: Number(from), forS: Number(lasts) };
  }
  throw new UsageError(`${name}: expected NAME@START+LENGTH in seconds, like main@60+120, got '${given}'`);
}
