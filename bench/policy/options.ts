import { parseArgs } from 'node:util';
import { UsageError } from '../../lib/cli/simulate/child-job';
import { POLICIES } from './policies';
import { SCENARIOS, type ScenarioName } from './scenarios';

export interface BenchOptions {
  readonly policies: readonly string[];
  readonly scenarios: readonly ScenarioName[];
  readonly seeds: readonly number[];
  readonly jobs: number;
  readonly quick: boolean;
  readonly json: boolean;
  /** Why calls failed and what was wasted, after the table. */
  readonly detail: boolean;
  /** Whether to time decisions. */
  readonly decision: boolean;
  /** Writes the table into docs/performance.md. */
  readonly write: boolean;
  /** A file for all results as JSON. */
  readonly out: string | undefined;
  /** Results of an earlier run, for the policies that are not run now. */
  readonly rest: string | undefined;
}

const QUICK_POLICIES = ['adaptive', 'other:round-robin'];
const QUICK_SCENARIOS: readonly ScenarioName[] = ['faults', 'flash50'];

export const HELP = `npm run bench:policy -- [options]

The package and the re-written rules of others, on the same calls, in virtual time.

  --policies LIST    of ${[...POLICIES.keys()].join(', ')} (default: all)
  --scenarios LIST   of ${SCENARIOS.join(', ')} (default: all)
  --seeds N          how many seeds (default 10)
  --first-seed N     the first of them (default 1001)
  --jobs N           runs at a time, each in a process of its own (default 2)
  --quick            one seed, scenarios six times as short, and by default only two of them and two policies
  --detail           why calls failed, what was wasted, and where
  --no-decision      without timing what a decision costs
  --json             all results as JSON in place of the table
  --out FILE         all results as JSON into a file
  --rest FILE        the policies that are not run now come from the --out of an earlier run on the same seeds: a run
                     is the same to the last call however often it is made, as long as its rules are
  --write            puts the table into docs/performance.md
`;

/** Throws a UsageError that names the option. */
export function parseOptions(args: readonly string[]): BenchOptions | 'help' {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        policies: { type: 'string' },
        scenarios: { type: 'string' },
        seeds: { type: 'string' },
        'first-seed': { type: 'string' },
        jobs: { type: 'string' },
        quick: { type: 'boolean' },
        detail: { type: 'boolean' },
        'no-decision': { type: 'boolean' },
        json: { type: 'boolean' },
        out: { type: 'string' },
        rest: { type: 'string' },
        write: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (values.help) return 'help';
  const quick = values.quick ?? false;
  const first = count('--first-seed', values['first-seed'], 1001);
  const seeds = count('--seeds', values.seeds, quick ? 1 : 10);
  return {
    policies: listOf('--policies', values.policies, [...POLICIES.keys()], quick ? QUICK_POLICIES : undefined),
    scenarios: listOf('--scenarios', values.scenarios, SCENARIOS, quick ? QUICK_SCENARIOS : undefined),
    seeds: Array.from({ length: seeds }, (_, index) => first + index),
    jobs: count('--jobs', values.jobs, 2),
    quick,
    detail: values.detail ?? false,
    decision: !(values['no-decision'] ?? false),
    json: values.json ?? false,
    write: values.write ?? false,
    out: values.out,
    rest: values.rest,
  };
}

function count(name: string, given: string | undefined, standard: number): number {
  if (given === undefined) return standard;
  const value = Number(given);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new UsageError(`${name}: expected a whole number of at least 1, got '${given}'`);
  }
  return value;
}

function listOf<T extends string>(
  name: string,
  given: string | undefined,
  known: readonly T[],
  standard = known,
): readonly T[] {
  if (given === undefined) return standard;
  return given.split(',').map((item) => {
    const found = known.find((candidate) => candidate === item.trim());
    if (found === undefined)
      throw new UsageError(`${name}: expected some of ${known.join(', ')}, got '${item}'`);
    return found;
  });
}
