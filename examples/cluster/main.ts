/**
 * Several processes with one quota: a flash sale at a shop with four workers that share two keys. Redis is killed in the
 * middle of it. `npx tsx examples/cluster/main.ts --once`
 */
import { parseArgs } from 'node:util';
import { scaledTo } from '../flash-sale/sale';
import { runDay } from './day';
import { DemoRedis } from './redis';
import { endTable, snapshotTable } from './report';
import { DAY } from './shop';

const USAGE = `npx tsx examples/cluster/main.ts [options]
  --once        exit when the day is over; otherwise the shop stays open until Ctrl-C
  --alone       without Redis: each worker uses the keys as if they were its own
  --seconds N   length of the day, 10 to 120; default ${DAY.endsAt}
  --seed N      seed of the random customers; default 1
REDIS_URL is the Redis to use. Without it the demo starts a redis-server and kills it in the middle of the sale.`;

const NO_REDIS = `redis-server is not installed and REDIS_URL is not set. Try one of these:
  apt-get install redis-server          (or: brew install redis)
  REDIS_URL=redis://localhost:6379 npx tsx examples/cluster/main.ts --once
  npx tsx examples/cluster/main.ts --once --alone    (shows what happens without Redis)`;

async function main(): Promise<number> {
  const flags = readFlags();
  if (typeof flags === 'string') {
    console.error(flags);
    return 2;
  }
  const { REDIS_URL } = process.env;
  const given = REDIS_URL === '' ? undefined : REDIS_URL;
  const own = flags.alone || given !== undefined ? undefined : await DemoRedis.start();
  if (!flags.alone && given === undefined && !own) {
    console.error(NO_REDIS);
    return 1;
  }
  const day = scaledTo(DAY, flags.seconds);
  console.log(introduction(flags.alone, given !== undefined));

  const run = await runDay({
    day,
    seed: flags.seed,
    redisUrl: flags.alone ? undefined : (own?.url ?? given),
    ownRedis: own,
    onSnapshot: (moment) => console.log(`${snapshotTable(moment, day)}\n`),
  });
  const closing = async () => {
    await run.close();
    await own?.close();
  };
  console.log(`${endTable(run.usual, run.whileDown)}\n`);
  if (!flags.once) {
    console.log(`The shop stays open at ${run.url}. Press Ctrl-C to exit.`);
    await new Promise((resolve) => process.once('SIGINT', resolve));
  }
  await closing();
  return 0;
}

function introduction(alone: boolean, isGiven: boolean): string {
  const sale = `A flash sale at a shop with four workers. Two keys allow 600 requests per minute together; the sale needs ${(
    DAY.usualRate * DAY.peakFactor * 60
  ).toFixed(0)}.`;
  if (alone) return `${sale}\nEach worker uses the keys as if they were its own.\n`;
  if (isGiven)
    return `${sale}\nRedis is yours, so the demo doesn't kill it. Stop it yourself to see what happens.\n`;
  return `${sale}\nIn the middle of it Redis is killed, and it restarts empty.\n`;
}

interface Flags {
  readonly once: boolean;
  readonly alone: boolean;
  readonly seconds: number;
  readonly seed: number;
}

/** Returns a message if the options are invalid. */
function readFlags(): Flags | string {
  try {
    const { values } = parseArgs({
      options: {
        once: { type: 'boolean', default: false },
        alone: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        seconds: { type: 'string', default: String(DAY.endsAt) },
        seed: { type: 'string', default: '1' },
      },
    });
    const seconds = Number(values.seconds);
    const seed = Number(values.seed);
    if (values.help) return USAGE;
    if (!(seconds >= 10 && seconds <= 120)) {
      return `--seconds: expected 10 to 120, got ${values.seconds}\n${USAGE}`;
    }
    if (!Number.isInteger(seed)) return `--seed: expected a whole number, got ${values.seed}\n${USAGE}`;
    return { once: values.once, alone: values.alone, seconds, seed };
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\n${USAGE}`;
  }
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
