/**
 * Many processes, one quota: a flash sale at a shop of four workers with two keys between them, and a Redis that dies
 * in the middle of it. `npx tsx examples/cluster/main.ts --once`
 */
import { parseArgs } from 'node:util';
import { scaledTo } from '../flash-sale/sale';
import { runDay } from './day';
import { DemoRedis } from './redis';
import { endTable, snapshotTable } from './report';
import { DAY } from './shop';

const USAGE = `npx tsx examples/cluster/main.ts [options]
  --once        end when the day is over; else the shop stays open until Ctrl-C
  --alone       without Redis: each worker counts for itself, as if the keys were its own
  --seconds N   how long the day lasts, 10 to 120; default ${DAY.endsAt}
  --seed N      another day; default 1
REDIS_URL names the Redis to use. Without it a redis-server is started, which is killed in the middle of the sale.`;

const NO_REDIS = `No redis-server is installed here, and REDIS_URL is not set. One of these helps:
  apt-get install redis-server          (or: brew install redis)
  REDIS_URL=redis://localhost:6379 npx tsx examples/cluster/main.ts --once
  npx tsx examples/cluster/main.ts --once --alone    (what happens without Redis)`;

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
  console.log(`${endTable(run.usual, run.whileDead)}\n`);
  if (!flags.once) {
    console.log(`The shop stays open at ${run.url}. Ctrl-C ends.`);
    await new Promise((resolve) => process.once('SIGINT', resolve));
  }
  await closing();
  return 0;
}

function introduction(alone: boolean, isGiven: boolean): string {
  const sale = `A flash sale at a shop of four workers. Two keys allow 600 requests a minute together; the sale wants ${(
    DAY.usualRate * DAY.peakFactor * 60
  ).toFixed(0)}.`;
  if (alone) return `${sale}\nEach worker counts for itself, as if it had the keys alone.\n`;
  if (isGiven) return `${sale}\nRedis is yours, so it isn't killed: do it yourself when you like.\n`;
  return `${sale}\nIn the middle of it Redis gets a kill -9, and comes back empty.\n`;
}

interface Flags {
  readonly once: boolean;
  readonly alone: boolean;
  readonly seconds: number;
  readonly seed: number;
}

/** A text says what is wrong with them. */
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
