/**
 * Runs every bench except bench:policy and bench:soak, one after another, each in a child process.
 * `npm run bench [-- --quick] [-- quota latency ...]`
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const BENCHES = {
  express: 'express.ts',
  latency: 'latency.ts',
  stats: 'stats.ts',
  observability: 'observability.ts',
  quota: 'quota.ts',
  waiting: 'waiting.ts',
  'queue-drain': 'queue-drain.ts',
  'stream-events': 'stream-events.ts',
  'event-loop': 'event-loop.ts',
  cluster: 'cluster.ts',
} as const;

const args = process.argv.slice(2);
const options = args.filter((arg) => arg.startsWith('--'));
const named = args.filter((arg) => !arg.startsWith('--'));
const unknown = named.find((name) => !Object.hasOwn(BENCHES, name));
if (unknown !== undefined || options.some((option) => option !== '--quick')) {
  console.error(`npm run bench -- [--quick] [${Object.keys(BENCHES).join(' ')}]`);
  process.exit(2);
}

let failed = false;
for (const [name, file] of Object.entries(BENCHES)) {
  if (named.length > 0 && !named.includes(name)) continue;
  console.log(`\n## ${name}\n`);
  const loader = ['--expose-gc', '--import', 'tsx'];
  const { status } = spawnSync(process.execPath, [...loader, join(__dirname, file), ...options], {
    stdio: 'inherit',
  });
  if (status !== 0) failed = true;
}
process.exit(failed ? 1 : 0);
