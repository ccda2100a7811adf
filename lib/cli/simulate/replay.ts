import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { isObject } from '../../util/is-object';
import { UsageError } from '../usage-error';
import { percentile } from './engine/figures';
import type { Priority, WorkCall } from './engine/workload';

/** Time after which a stream without a deadline counts as late, in milliseconds. */
const NO_DEADLINE_MS = 300_000;
/** Maximum number of calls. More would take minutes and gigabytes of memory. */
const MAX_CALLS = 500_000;
const MAX_BYTES = 1024 * 1024 * 1024;

/** The logged figures of the replayed calls. */
export interface LoggedFigures {
  readonly calls: number;
  /** Share of calls that were answered, in percent. */
  readonly answered: number;
  readonly usdTotal: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** Failed calls by error code. */
  readonly failures: Readonly<Record<string, number>>;
}

export interface Replay {
  readonly calls: readonly WorkCall[];
  /** When the first call began, in Unix milliseconds. */
  readonly startAtMs: number;
  /** Seconds from the first to the last call. */
  readonly seconds: number;
  readonly logged: LoggedFigures;
  /** Number of calls that can't be simulated. */
  readonly leftOut: number;
}

/** The fields of a line that a replay uses. */
interface LoggedCall {
  readonly startedAt: number;
  readonly ms: number;
  readonly line: Readonly<Record<string, unknown>>;
}

/**
 * Reads a route log: one JSON object per line, as `routeLogLine()` or a logger such as pino writes it. Objects without an
 * `operation` are skipped, because they are other messages of the logger.
 *
 * @throws UsageError that names the file, and the line if one is invalid.
 */
export function readReplay(file: string, deadlineMs: number | undefined): Replay {
  const logged = linesOf(file).flatMap((text, at) => callOf(text, `--replay: ${file}, line ${at + 1}`));
  if (logged.length === 0)
    throw new UsageError(
      `--replay: ${file} has no calls: expected one JSON line per call, as routeLogLine() writes them`,
    );
  if (logged.length > MAX_CALLS)
    throw new UsageError(
      `--replay: ${file} has ${logged.length} calls, more than the maximum of ${MAX_CALLS}`,
    );
  logged.sort((a, b) => a.startedAt - b.startedAt);
  // Simulated providers can only answer chats.
  const chats = logged.filter(({ line }) => line['operation'] === 'chat');
  const [first, last] = [chats.at(0), chats.at(-1)];
  if (!first || !last) throw new UsageError(`--replay: ${file} has no chats, and only chats are simulated`);
  const startAtMs = first.startedAt;
  return {
    calls: chats.map((call, index) => workCall(call, index, startAtMs, deadlineMs)),
    startAtMs,
    seconds: Math.max(1, (last.startedAt - startAtMs) / 1000),
    logged: figuresOf(chats),
    leftOut: logged.length - chats.length,
  };
}

function linesOf(file: string): string[] {
  try {
    const raw = readFileSync(file);
    const isZipped = raw[0] === 0x1f && raw[1] === 0x8b;
    const text = isZipped ? gunzipSync(raw, { maxOutputLength: MAX_BYTES }) : raw;
    return text.toString('utf8').split(/\r?\n/);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError(
      code === 'ENOENT' ? `--replay: no such file: ${file}` : `--replay: ${file}: ${message}`,
    );
  }
}

/** Parses a line. Returns an empty array for an empty line and for other messages of the logger. */
function callOf(text: string, where: string): LoggedCall[] {
  if (text.trim() === '') return [];
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    throw new UsageError(`${where}: not JSON; expected one call per line, as routeLogLine() writes them`);
  }
  if (!isObject(line)) throw new UsageError(`${where}: expected a JSON object`);
  if (line['operation'] === undefined) return [];
  return [{ startedAt: required(line, 'startedAt', where), ms: required(line, 'ms', where), line }];
}

function required(line: Readonly<Record<string, unknown>>, field: string, where: string): number {
  const value = numberOf(line[field]);
  if (value === undefined) throw new UsageError(`${where}: expected a number of at least 0 in '${field}'`);
  return value;
}

function workCall(
  { startedAt, line }: LoggedCall,
  index: number,
  startAtMs: number,
  deadlineMs: number | undefined,
): WorkCall {
  const estimate = tokensOf(line['estimatedTokens']);
  const used = tokensOf(line['tokens']);
  const outputTokens = Math.max(1, used.output ?? estimate.output ?? 1);
  const maxTokens = numberOf(line['maxTokens']);
  const deadline = deadlineMs ?? numberOf(line['deadlineMs']);
  const expected = estimate.output ?? outputTokens;
  const priority = numberOf(line['priority']) ?? 3;
  return {
    index,
    atMs: startedAt - startAtMs,
    promptTokens: Math.max(1, used.input ?? estimate.input ?? 1),
    outputTokens,
    maxTokens: maxTokens ?? outputTokens,
    expectedOutputTokens: Math.max(1, Math.min(expected, maxTokens ?? Infinity)),
    priority: Math.min(5, Math.max(1, Math.round(priority))) as Priority,
    deadlineMs: deadline ?? NO_DEADLINE_MS,
    minQuality: numberOf(line['minQuality']) ?? 0,
    maxUsdPer1k: numberOf(line['maxCostPer1k']),
    logged: {
      stream: line['stream'] === true,
      model: textOf(line['requestedModel']),
      tenant: textOf(line['tenant']),
      type: typeOf(line['type']),
      tags: Array.isArray(line['tags']) ? line['tags'].filter((tag) => typeof tag === 'string') : undefined,
      hasMaxTokens: maxTokens !== undefined,
      hasDeadline: deadline !== undefined,
    },
  };
}

function figuresOf(calls: readonly LoggedCall[]): LoggedFigures {
  const failures: Record<string, number> = {};
  const durations: number[] = [];
  let usdTotal = 0;
  for (const { line, ms } of calls) {
    usdTotal += (numberOf(line['costUsd']) ?? 0) + (numberOf(line['wastedUsd']) ?? 0);
    if (line['failed'] !== true) durations.push(ms);
    else {
      const code = textOf(line['code']) ?? 'error';
      failures[code] = (failures[code] ?? 0) + 1;
    }
  }
  durations.sort((a, b) => a - b);
  return {
    calls: calls.length,
    answered: (100 * durations.length) / calls.length,
    usdTotal,
    p50Ms: percentile(durations, 0.5),
    p95Ms: percentile(durations, 0.95),
    failures,
  };
}

function tokensOf(value: unknown): {
  readonly input?: number | undefined;
  readonly output?: number | undefined;
} {
  return isObject(value) ? { input: numberOf(value['input']), output: numberOf(value['output']) } : {};
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

const TYPES = ['chat', 'embedding', 'analysis', 'code'] as const;

function typeOf(value: unknown): (typeof TYPES)[number] | undefined {
  return TYPES.find((type) => type === value);
}
