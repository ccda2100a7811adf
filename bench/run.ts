/**
 * Runs every bench except bench:policy and bench:soak, one after another, each in a child process.
 * `npm run bench [-- --quick] [-- quota latency ...]`
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { compile } from './compile';

const BENCHES = {
  express: 'express.ts',
  'start-up': 'start-up.ts',
  'open-streams': 'open-streams.ts',
  latency: 'latency.ts',
  decisions: 'decisions.ts',
  stats: 'stats.ts',
  observability: 'observability.ts',
  quota: 'quota.ts',
  waiting: 'waiting.ts',
  'queue-drain': 'queue-drain.ts',
  'stream-events': 'stream-events.ts',
  'event-loop': 'event-loop.ts',
  cluster: 'cluster.ts',
} as const;

/** They run compiled, because they measure single calls in their own process. */
const COMPILED: ReadonlySet<string> = new Set(['latency', 'decisions', 'stats']);

const args = process.argv.slice(2);
const options = args.filter((arg) => arg.startsWith('--'));
const named = args.filter((arg) => !arg.startsWith('--'));
const unknown = named.find((name) => !Object.hasOwn(BENCHES, name));
if (unknown !== undefined || options.some((option) => !/^--(?:quick$|clients=)/.test(option))) {
  console.error(`npm run bench -- [--quick] [${Object.keys(BENCHES).join(' ')}]`);
  process.exit(2);
}

async function main(): Promise<void> {
  for (const [name, file] of Object.entries(BENCHES)) {
    if (named.length > 0 && !named.includes(name)) continue;
    console.log(`\n## ${name}\n`);
    const path = join(__dirname, file);
    const program = COMPILED.has(name) ? [await compile(path)] : ['--import', 'tsx', path];
    const { status } = spawnSync(process.execPath, ['--expose-gc', ...program, ...options], {
      stdio: 'inherit',
    });
    if (status !== 0) process.exitCode = 1;
  }
}

void main();
