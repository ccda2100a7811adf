import type { ExtraKeys } from './more-keys';
import type { SimulationResult } from './simulation';
import { percent, seconds } from './units';

/** The result of a run with additional keys. */
interface Trial {
  readonly keys: ExtraKeys;
  readonly goodput: number;
}

/** The result of --target. */
export interface TargetReport {
  readonly targetPercent: number;
  /** Number of keys of each account that ran out, including those of the configuration. */
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
/** Smaller differences in goodput are ignored, because the report shows one decimal. */
const NOISE_PERCENT = 0.05;

/**
 * Finds the number of keys that a goodput needs. Doubles the keys of the account whose quota runs out first until the
 * target is reached, and then lowers each number as far as the target is still reached.
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
  const known = new Map([[nameOf({}), first]]);
  const attempt = async (next: ExtraKeys): Promise<SimulationResult> => {
    const name = nameOf(next);
    const found = known.get(name);
    if (found) return found;
    const outcome = await run(next);
    known.set(name, outcome);
    tried.push({ keys: next, goodput: outcome.figures.goodput });
    return outcome;
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
  for (const [account, enough] of stoppedBy === null ? Object.entries(keys) : []) {
    let [low, high] = [-1, enough];
    while (high - low > 1 && tried.length < MAX_RUNS) {
      const middle = Math.floor((low + high) / 2);
      const fewer = { ...keys, [account]: middle };
      const found = await attempt(fewer);
      if (isReached(found)) [high, keys, result] = [middle, fewer, found];
      else low = middle;
    }
  }
  return { targetPercent, keys: totals(keys), isReached: isReached(result), stoppedBy, tried, result };
}

/** Describes the result of a run with additional keys. */
export function describeTrial(keys: ExtraKeys, { figures, alike }: SimulationResult): string {
  return `${describeKeys(totals(keys), alike)}: goodput ${percent(figures.goodput)}`;
}

/** Returns a key for the run with these extra keys, so that no run is repeated. */
function nameOf(keys: ExtraKeys): string {
  return JSON.stringify(Object.entries(keys).filter(([, extra]) => extra > 0));
}

function totals(keys: ExtraKeys): Record<string, number> {
  return Object.fromEntries(Object.entries(keys).map(([account, extra]) => [account, extra + 1]));
}

/** Formats the result as lines of text. */
export function formatTarget({
  targetPercent,
  keys,
  isReached,
  stoppedBy,
  tried,
  result,
}: TargetReport): string[] {
  const { figures, alike } = result;
  const details = `priority 5 ${percent(figures.byPriority[5])}, p95 ${seconds(figures.p95Ms)}, $${figures.usd.toFixed(2)} per 1,000 good answers`;
  const outcome = `goodput ${percent(figures.goodput)}, ${details}`;
  const added = grouped(keys, alike).reduce((sum, { accounts }) => sum + accounts.length, 0);
  const others = added > 0 && result.accounts > added ? '; the others unchanged' : '';
  const counts = `${describeKeys(keys, alike)}${others}`;
  const runs = tried
    .map((trial) => `${shortKeys(totals(trial.keys), alike)} ${percent(trial.goodput)}`)
    .join(', ');
  const failures = Object.entries(figures.failures)
    .map(([reason, count]) => `${String(count)} ${reason}`)
    .join(', ');
  if (isReached && added === 0)
    return [
      `Your keys are enough: ${percent(figures.goodput)} goodput (${String(targetPercent)} % asked for), ${details}.`,
    ];
  return [
    isReached
      ? `Keys for ${String(targetPercent)} % goodput: ${counts}: ${outcome}.`
      : `${String(targetPercent)} % goodput is not reached with ${counts}, because of ${stoppedBy ?? ''}: ${outcome}; failed: ${failures}.`,
    `Tried: ${runs}.`,
    ...lessWithMore(tried, alike),
  ];
}

/** Explains runs in which more keys gave a lower goodput, which happens because a run is random. */
function lessWithMore(tried: readonly Trial[], alike: Alike): string[] {
  for (const fewer of tried) {
    const more = tried.find(
      (trial) => trial.goodput < fewer.goodput - NOISE_PERCENT && hasMore(trial.keys, fewer.keys),
    );
    if (more)
      return [
        `${shortKeys(totals(more.keys), alike)} gave less than ${shortKeys(totals(fewer.keys), alike)}: calls arrive at the same times in each run, but which endpoint serves a call is partly drawn at random; compare with --seed 2.`,
      ];
  }
  return [];
}

function hasMore(more: ExtraKeys, fewer: ExtraKeys): boolean {
  const accounts = Object.keys({ ...more, ...fewer });
  return accounts.every((account) => (more[account] ?? 0) >= (fewer[account] ?? 0));
}

type Counts = Readonly<Record<string, number>>;

type Alike = SimulationResult['alike'];

/** The number of keys of an account, or of a group of accounts that differ only in name and key. */
interface CountedKeys {
  readonly accounts: readonly string[];
  readonly count: number;
}

/**
 * Counts the keys of accounts that differ only in name and key together, because it makes no difference which of them
 * has the additional keys.
 */
function grouped(keys: Counts, alike: Alike): CountedKeys[] {
  const more = Object.keys(keys).filter((account) => (keys[account] ?? 1) > 1);
  const groups = more.map((account) => alike.find((group) => group.includes(account)) ?? [account]);
  return [...new Map(groups.map((group) => [group[0], group])).values()].map((accounts) => ({
    accounts,
    count: accounts.reduce((sum, account) => sum + (keys[account] ?? 1), 0),
  }));
}

function describeKeys(keys: Counts, alike: Alike): string {
  return joinKeys(keys, alike, ({ accounts, count }) => {
    const before = accounts.length;
    const added = `(+${String(count - before)})`;
    return before === 1
      ? `${String(count)} keys in place of 1 for ${accounts.join()} ${added}`
      : `${String(count)} keys like ${listOf(accounts)} in place of ${String(before)} ${added}`;
  });
}

function shortKeys(keys: Counts, alike: Alike): string {
  return joinKeys(
    keys,
    alike,
    ({ accounts, count }) => `${String(count)} ${accounts.length === 1 ? 'of' : 'like'} ${accounts[0] ?? ''}`,
  );
}

function joinKeys(keys: Counts, alike: Alike, describe: (counted: CountedKeys) => string): string {
  const counts = grouped(keys, alike);
  return counts.length === 0 ? 'the keys of the configuration' : counts.map(describe).join(' and ');
}

/** Lists at most three names. */
function listOf(names: readonly string[]): string {
  if (names.length > 3) return `${names.slice(0, 2).join(', ')} and ${String(names.length - 2)} more`;
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`;
}
