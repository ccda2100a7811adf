/**
 * What 10,000 waiting calls cost through the whole balancer: memory a call, and a drain over 50 endpoints.
 * `node --expose-gc --import tsx bench/waiting.ts`
 */
import axios from 'axios';
import { createBalancer } from '../lib/index';

const WAITING = 10_000;
const ENDPOINTS = 50;
const MODELS = 5;

async function main(): Promise<void> {
  const collect = globalThis.gc;
  const balancer = createBalancer({
    endpoints: Array.from({ length: ENDPOINTS }, (_, index) => ({
      name: `key-${index}`,
      model: `model-${index % MODELS}`,
      apiKey: 'sk-test',
      baseURL: 'http://upstream.invalid/v1',
      tpm: 60_000,
      rpm: 600,
    })),
    fallbacks: {},
    hedge: false,
    timeouts: { totalMs: 3_600_000 },
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    // Answers never: what is in flight stays there.
    http: { axios: axios.create({ adapter: () => new Promise(() => undefined) }) },
  });
  const bodies = Array.from({ length: MODELS }, (_, model) => ({
    model: `model-${model}`,
    messages: [{ role: 'user' as const, content: 'Where is my parcel? It should have come on Tuesday.' }],
    max_tokens: 200,
  }));
  const leaving = new AbortController();
  const send = (index: number) =>
    balancer.chat(bodies[index % MODELS]!, {
      signal: leaving.signal,
      priority: ((index % 5) + 1) as 1,
      tenant: `tenant ${index % 100}`,
    });
  // Fills the buckets, and opens every part that is opened once.
  const filling = Array.from({ length: 4_000 }, (_, index) => send(index));
  await new Promise((resolve) => setTimeout(resolve, 500));
  collect?.();
  const before = process.memoryUsage().heapUsed;
  const size = balancer.stats().queue.size;
  const entering = performance.now();
  const calls = Array.from({ length: WAITING - size }, (_, index) => send(index));
  const enterUs = ((performance.now() - entering) / calls.length) * 1_000;
  await new Promise((resolve) => setImmediate(resolve));
  collect?.();
  const waiting = balancer.stats().queue.size;
  const bytes = (process.memoryUsage().heapUsed - before) / (waiting - size);
  const turns: number[] = [];
  for (let round = 0; round < 60; round++) {
    await new Promise((resolve) => setTimeout(resolve, 25));
    const start = performance.now();
    balancer.endpoint('key-0').setWeight(1);
    await Promise.resolve();
    await Promise.resolve();
    turns.push(performance.now() - start);
  }
  turns.sort((a, b) => a - b);
  console.log(`${waiting} calls waiting in the balancer, ${ENDPOINTS} endpoints; node ${process.version}`);
  console.table({
    'entering, us a call': enterUs.toFixed(1),
    'memory, bytes a call': collect ? Math.round(bytes) : 'needs --expose-gc',
    'drain, ms, p50': (turns[30] ?? Number.NaN).toFixed(2),
    'drain, ms, p95': (turns[57] ?? Number.NaN).toFixed(2),
  });
  leaving.abort();
  await Promise.allSettled([...filling, ...calls]);
  process.exit(0);
}

void main();
