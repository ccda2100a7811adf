import { parseArgs } from 'node:util';
import { UsageError } from '../../lib/cli/usage-error';
import { POLICIES } from './policies';
import { SCENARIOS, type ScenarioName } from './scenarios';

export interface BenchOptions {
  readonly policies: readonly string[];
  readonly scenarios: readonly ScenarioName[];
  readonly seeds: readonly number[];
  readonly jobs: number;
  readonly quick: boolean;
  readonly json: boolean;
  /** Whether to print why calls failed and attempts were wasted, after the table. */
  readonly detail: boolean;
  /** Whether to write the table into docs/performance.md. */
  readonly write: boolean;
  /** A file to write all results to, as JSON. */
  readonly out: string | undefined;
  /** A file with results of an earlier run, used for the policies that are not run now. */
  readonly rest: string | undefined;
}

const QUICK_POLICIES = ['adaptive', 'other:round-robin'];
const QUICK_SCENARIOS: readonly ScenarioName[] = ['faults', 'flash50'];

export const HELP = `npm run bench:policy -- [options]

Compares the package with the rules of other balancers on the same calls, in virtual time.

  --policies LIST    some of ${[...POLICIES.keys()].join(', ')} (default: all)
  --scenarios LIST   some of ${SCENARIOS.join(', ')} (default: all)
  --seeds N          number of seeds (default 10)
  --first-seed N     the first seed (default 1001)
  --jobs N           number of child processes, each with one run at a time (default 2)
  --quick            one seed, scenarios six times shorter, and by default two scenarios and two policies
  --detail           also print why and where calls failed and attempts were wasted
  --json             print all results as JSON instead of the table
  --out FILE         write all results to a file, as JSON
  --rest FILE        take the policies that are not run now from the --out file of an earlier run on the same seeds;
                     a run is reproducible as long as the policy's code is unchanged
  --write            write the table into docs/performance.md
`;

/** Parses the options. Throws a UsageError that names the option. */
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
    throw new UsageError(`${name}: expected an integer of at least 1, got '${given}'`);
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
