import { parseArgs } from 'node:util';
import { FLEET, ONE_KEY } from './fleet';
import { publishedLengths, traceLengths } from './lengths';
import { runLive } from './live';
import { progressLine, table } from './report';
import { runSale } from './run';
import { SALE, scaledTo } from './sale';

const USAGE = `npm run demo -- [options]
  --once           exit after the sale; otherwise the page stays open until Ctrl-C
  --port N         port of the page, another one if it is in use; default 3000
  --trace FILE     use the lengths of a trace (CSV, optionally gzipped: prompt_tokens, output_tokens)
  --seconds N      duration of the sale, 20 to 120; default ${SALE.endsAt}
  --seed N         seed of all random numbers; default 1
  --live           send a few real calls instead (HOLYSHEEP_API_KEY or OPENAI_API_KEY)`;

async function main(): Promise<number> {
  const flags = readFlags();
  if (typeof flags === 'string') {
    console.error(flags);
    return 2;
  }
  if (flags.live) return runLive();

  const { trace } = flags;
  const sale = scaledTo(SALE, flags.seconds);
  console.log(
    `A flash sale: ${sale.usualRate} calls per second to the helpdesk, then ${sale.peakFactor} times as many.`,
  );
  console.log(
    `Three shops get the same customers: one balances over ${FLEET.length} simulated keys, one uses the same keys in turn,`,
  );
  console.log(
    `one has a single key (${ONE_KEY.name}) without faults. In the fleet ${sale.slow.provider} becomes ${sale.slow.factor} times slower and`,
  );
  console.log(
    `${sale.down.provider} goes down. Lengths: ${trace ?? 'published percentiles of an Azure trace'}.\n`,
  );

  const run = await runSale({
    sale,
    seed: flags.seed,
    port: flags.port,
    onOpen: (url) => console.log(`Watch it live, break providers and heal them: ${url}\n`),
    lengths: (random) => (trace === undefined ? publishedLengths(random) : traceLengths(trace, random)),
    onProgress: (progress) => console.log(progressLine(progress, sale)),
  });
  console.log(`\n${table(run)}\n`);
  console.log(
    'In time: within (3 s + 60 ms per token of the answer) times 1 to 2. Percentiles are over answers in time.',
  );

  if (!flags.once) {
    console.log(`\nThe page stays open: ${run.stage.url} can start the sale again. Press Ctrl-C to exit.`);
    await new Promise((resolve) => process.once('SIGINT', resolve));
  }
  await run.close();
  return 0;
}

interface Flags {
  once: boolean;
  live: boolean;
  trace: string | undefined;
  seconds: number;
  seed: number;
  port: number;
}

/** A text says what is wrong with them. */
function readFlags(): Flags | string {
  try {
    const { values } = parseArgs({
      options: {
        once: { type: 'boolean', default: false },
        live: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        trace: { type: 'string' },
        seconds: { type: 'string', default: String(SALE.endsAt) },
        seed: { type: 'string', default: '1' },
        port: { type: 'string', default: '3000' },
      },
    });
    const seconds = Number(values.seconds);
    const seed = Number(values.seed);
    const port = Number(values.port);
    if (values.help) return USAGE;
    if (!(seconds >= 20 && seconds <= 120))
      return `--seconds: expected 20 to 120, got ${values.seconds}\n${USAGE}`;
    if (!Number.isInteger(seed)) return `--seed: expected an integer, got ${values.seed}\n${USAGE}`;
    if (!Number.isInteger(port) || port < 0 || port > 65_535)
      return `--port: expected 0 to 65535, got ${values.port}\n${USAGE}`;
    return { once: values.once, live: values.live, trace: values.trace, seconds, seed, port };
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
