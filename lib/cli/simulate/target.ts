import type { ExtraKeys } from './more-keys';
import type { SimulationResult } from './simulation';
import { percent, seconds } from './units';

/** A run with some keys. */
interface Trial {
  readonly keys: ExtraKeys;
  readonly goodput: number;
}

/** The answer to --target. */
export interface TargetReport {
  readonly targetPercent: number;
  /** The keys of each account that ran out, those of the configuration included. */
  readonly keys: Readonly<Record<string, number>>;
  readonly isReached: boolean;
  /** Why more keys were not tried; null if the target is reached. */
  readonly stoppedBy:
    | 'another reason than quotas, none of which is exhausted'
    | 'the maximum of 64 keys'
    | 'the maximum of 24 runs'
    | null;
  readonly tried: readonly Trial[];
  readonly result: SimulationResult;
}

const MAX_RUNS = 24;
const MAX_KEYS = 64;

/**
 * Finds how many keys a goodput takes: the keys of the account whose quota runs out first are doubled until the target is
 * reached, and then each number is lowered as far as it holds.
 */
export async function findKeys(
  targetPercent: number,
  first: SimulationResult,
  run: (keys: ExtraKeys) => Promise<SimulationResult>,
): Promise<TargetReport> {
  let keys: ExtraKeys = {};
  let result = first;
  const tried: Trial[] = [{ keys, goodput: first.figures.goodput }];
  const isReached = ({ figures }: SimulationResult): boolean => figures.goodput >= targetPercent;
  const known = new Map([[describeKeys({}), first]]);
  const attempt = async (next: ExtraKeys): Promise<SimulationResult> => {
    const name = describeKeys(totals(next));
    const found = known.get(name) ?? (await run(next));
    if (known.has(name)) return found;
    known.set(name, found);
    tried.push({ keys: next, goodput: found.figures.goodput });
    return found;
  };
  let stoppedBy: TargetReport['stoppedBy'] = null;
  while (!isReached(result) && stoppedBy === null) {
    const account = result.quotas[0]?.account;
    const extra = account === undefined ? 0 : (keys[account] ?? 0);
    if (account === undefined) stoppedBy = 'another reason than quotas, none of which is exhausted';
    else if (extra + 1 >= MAX_KEYS) stoppedBy = 'the maximum of 64 keys';
    else if (tried.length >= MAX_RUNS) stoppedBy = 'the maximum of 24 runs';
    else {
      keys = { ...keys, [account]: 2 * extra + 1 };
      result = await attempt(keys);
    }
  }
  for (const account of stoppedBy === null ? Object.keys(keys) : []) {
    let low = -1;
    while ((keys[account] ?? 0) - low > 1 && tried.length < MAX_RUNS) {
      const middle = Math.floor((low + (keys[account] ?? 0)) / 2);
      const fewer = { ...keys, [account]: middle };
      const found = await attempt(fewer);
      if (isReached(found)) [keys, result] = [fewer, found];
      else low = middle;
    }
  }
  return { targetPercent, keys: totals(keys), isReached: isReached(result), stoppedBy, tried, result };
}

function totals(keys: ExtraKeys): Record<string, number> {
  return Object.fromEntries(Object.entries(keys).map(([account, extra]) => [account, extra + 1]));
}

/** The answer as lines of text. */
export function formatTarget({
  targetPercent,
  keys,
  isReached,
  stoppedBy,
  tried,
  result,
}: TargetReport): string[] {
  const { figures } = result;
  const outcome = `goodput ${percent(figures.goodput)}, priority 5 ${percent(figures.byPriority[5])}, p95 ${seconds(figures.p95Ms)}, $${figures.usd.toFixed(2)} per 1,000 good answers`;
  const counts = describeKeys(keys);
  const runs = tried
    .map((trial) => `${describeKeys(totals(trial.keys))} ${percent(trial.goodput)}`)
    .join(', ');
  const failures = Object.entries(figures.failures)
    .map(([reason, count]) => `${String(count)} ${reason}`)
    .join(', ');
  return [
    isReached
      ? `Keys for ${String(targetPercent)} % goodput: ${counts}: ${outcome}.`
      : `${String(targetPercent)} % goodput is not reached with ${counts}, because of ${stoppedBy ?? ''}: ${outcome}; failed: ${failures}.`,
    `Tried: ${runs}.`,
  ];
}

function describeKeys(keys: Readonly<Record<string, number>>): string {
  const counts = Object.entries(keys).filter(([, count]) => count > 1);
  return counts.length === 0
    ? 'the keys of the configuration'
    : counts.map(([account, count]) => `${String(count)} of ${account}`).join(' and ');
}
