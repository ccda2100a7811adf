/**
 * Memory of streams in flight: each has its first event and waits for the next. The same number of bare undici requests,
 * read by an async iterator, is the measure; the openai SDK stands beside them. Every client runs alone in a new process.
 * `npm run build && npm run bench -- open-streams [--quick]`
 */
import { once } from 'node:events';
import { type Child, start } from './express/start';
import { median } from './statistics';

const isQuick = process.argv.includes('--quick');
const STREAMS = isQuick ? 1_000 : 9_000;
const ROUNDS = isQuick ? 1 : 3;
const CLIENTS = ['undici', 'openai SDK', 'this package'] as const;

interface Usage {
  readonly rssBytes: number;
  readonly heapBytes: number;
}

async function measure(client: string, upstream: Child): Promise<Usage> {
  const child = await start('../open-streams/client.ts', client, `http://127.0.0.1:${upstream.port}`);
  child.process.send(STREAMS);
  const [usage] = (await once(child.process, 'message')) as [Usage];
  child.process.kill();
  await once(child.process, 'exit');
  return usage;
}

async function main(): Promise<void> {
  const upstream = await start('../open-streams/upstream.ts');
  const results = new Map<string, Usage[]>(CLIENTS.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of CLIENTS) results.get(name)?.push(await measure(name, upstream));
  }
  upstream.process.kill();

  const megabytes = (name: string, what: keyof Usage): number =>
    median((results.get(name) ?? []).map((usage) => usage[what])) / 1e6;
  console.log(`${STREAMS} streams in flight, medians of ${ROUNDS} processes each; node ${process.version}\n`);
  console.log('| client | memory, MB | above undici, MB | heap, MB | kB per stream |');
  console.log('| --- | ---: | ---: | ---: | ---: |');
  for (const name of CLIENTS) {
    const rss = megabytes(name, 'rssBytes');
    const above = rss - megabytes('undici', 'rssBytes');
    const cells = [rss, above, megabytes(name, 'heapBytes')].map((value) => value.toFixed(1));
    console.log(`| ${name} | ${cells.join(' | ')} | ${((rss * 1e3) / STREAMS).toFixed(1)} |`);
  }
}

void main();
