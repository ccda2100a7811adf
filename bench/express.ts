/**
 * Calls through an Express 5 app, with this package and with what is used without one: CPU time of the app's process per
 * request, throughput, latency, memory. Every round runs every client once, in turn, on the same two processes.
 * `npm run build && npm run bench -- express [--quick] [--clients='node:http;this package']`
 */
import { once } from 'node:events';
import { Pool } from 'undici';
import { CLIENTS } from './express/clients';
import { EVENTS } from './express/shape';
import { type Child, start } from './express/start';
import { median, percentile } from './statistics';

const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 3 : 7;
const CONNECTIONS = 32;
/** The clients to measure, separated by semicolons, because names contain commas. */
const chosen = process.argv
  .find((argument) => argument.startsWith('--clients='))
  ?.slice('--clients='.length)
  .split(';');
/** A server that has run for a minute has its code compiled: V8 optimises what has been called some thousand times. */
const LOADS = [
  {
    name: 'whole answers',
    calls: isQuick ? 600 : 2_000,
    warmUp: isQuick ? 8_000 : 20_000,
    streamed: false,
    paced: false,
  },
  {
    name: `streams of ${EVENTS} events at once`,
    calls: isQuick ? 200 : 600,
    warmUp: isQuick ? 600 : 3_000,
    streamed: true,
    paced: false,
  },
  {
    name: `streams of ${EVENTS} events, 5 ms apart`,
    calls: isQuick ? 100 : 200,
    warmUp: isQuick ? 100 : 200,
    streamed: true,
    paced: true,
  },
];

interface Usage {
  readonly cpuUs: number;
  readonly rssBytes: number;
}

interface Measured {
  readonly cpuUs: number;
  readonly perSecond: number;
  readonly latencies: readonly number[];
  readonly rssBytes: number;
}

async function ask({ process: child }: Child, question: string): Promise<Usage> {
  child.send(question);
  const [usage] = (await once(child, 'message')) as [Usage];
  return usage;
}

async function measure(app: Child, load: (typeof LOADS)[number]): Promise<Measured> {
  const pool = new Pool(`http://127.0.0.1:${app.port}`, { connections: CONNECTIONS });
  const content = `Where is my parcel? It should have come on Tuesday. ${load.paced ? 'paced' : ''}`;
  const body = JSON.stringify({
    model: 'gpt-4o-mini',
    messages: [
      { role: 'system', content: 'You answer the questions of customers of a shop.' },
      { role: 'user', content },
    ],
    ...(load.streamed && { stream: true }),
  });
  const latencies: number[] = [];
  let left = load.calls;
  const client = async (): Promise<void> => {
    while (left-- > 0) {
      const from = performance.now();
      const answer = await pool.request({
        path: '/v1/chat/completions',
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      const text = await answer.body.text();
      if (answer.statusCode !== 200 || text.length < 300) throw new Error(`${answer.statusCode} ${text}`);
      latencies.push(performance.now() - from);
    }
  };
  const before = await ask(app, 'collect');
  const from = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
  const seconds = (performance.now() - from) / 1_000;
  const after = await ask(app, 'report');
  await pool.close();
  return {
    cpuUs: (after.cpuUs - before.cpuUs) / load.calls,
    perSecond: load.calls / seconds,
    latencies,
    rssBytes: after.rssBytes,
  };
}

async function main(): Promise<void> {
  const upstream = await start('upstream.ts');
  const names = Object.keys(CLIENTS).filter(
    (name) =>
      (!name.endsWith('Redis') || process.env['BENCH_REDIS']) &&
      (chosen === undefined || chosen.includes(name)),
  );
  const apps = new Map<string, Child>();
  for (const name of names) apps.set(name, await start('app.ts', name, `http://127.0.0.1:${upstream.port}`));
  for (const load of LOADS) {
    const results = new Map<string, Measured[]>(names.map((name) => [name, []]));
    for (const app of apps.values()) await measure(app, { ...load, calls: load.warmUp });
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, app] of apps) results.get(name)?.push(await measure(app, load));
    }
    print(load, results);
  }
  for (const child of [...apps.values(), upstream]) child.process.kill();
}

function print({ name, streamed }: (typeof LOADS)[number], results: ReadonlyMap<string, Measured[]>): void {
  const cpuOf = (client: string): number => median((results.get(client) ?? []).map(({ cpuUs }) => cpuUs));
  const base = cpuOf('node:http');
  const sdk = cpuOf('openai SDK');
  console.log(`\n### ${name}: ${ROUNDS} rounds, ${CONNECTIONS} connections\n`);
  const unit = streamed ? 'CPU per event, µs' : 'CPU per request, µs';
  console.log(
    `| client | ${unit} | lowest to highest | of node:http | of openai SDK | requests/s | p50 ms | p99 ms | memory, MB |`,
  );
  console.log('| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |');
  for (const [client, rounds] of results) {
    const per = streamed ? EVENTS : 1;
    const digits = streamed ? 1 : 0;
    const cpu = rounds.map(({ cpuUs }) => cpuUs / per);
    const latencies = rounds.flatMap((round) => round.latencies);
    const cells = [
      client,
      median(cpu).toFixed(digits),
      `${Math.min(...cpu).toFixed(digits)} to ${Math.max(...cpu).toFixed(digits)}`,
      (cpuOf(client) / base).toFixed(2),
      (cpuOf(client) / sdk).toFixed(2),
      median(rounds.map(({ perSecond }) => perSecond)).toFixed(0),
      percentile(latencies, 0.5).toFixed(1),
      percentile(latencies, 0.99).toFixed(1),
      (median(rounds.map(({ rssBytes }) => rssBytes)) / 1e6).toFixed(0),
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
}

void main();
