/**
 * The cost of 10,000 waiting calls in a Balancer: memory per call, including everything that exists because the call
 * waits, and the time of a drain over 50 endpoints.
 * `node --expose-gc --import tsx bench/waiting.ts`
 */
import axios from 'axios';
import { type Balancer, createBalancer } from '../lib/index';
import { percentile } from './statistics';

const WAITING = 10_000;
const ENDPOINTS = 50;
const MODELS = 5;

interface Scenario {
  readonly stream: boolean;
  /** Whether each call has its own signal and tenant; otherwise all share one signal and 100 tenants. */
  readonly own: boolean;
}

type Row = Record<string, string | number>;

function balancerOf(): Balancer {
  return createBalancer({
    endpoints: Array.from({ length: ENDPOINTS }, (_, index) => ({
      name: `key-${index}`,
      model: `model-${index % MODELS}`,
      apiKey: 'sk-test',
      baseURL: 'http://upstream.invalid/v1',
      // So low that hardly a call starts while memory is measured, however slow the machine.
      tpm: 600,
      rpm: 6,
      burstSeconds: 60,
    })),
    fallbacks: {},
    hedge: false,
    timeouts: { totalMs: 86_400_000 },
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    // Never answers, so calls in flight stay in flight.
    http: { axios: axios.create({ adapter: () => new Promise(() => undefined) }) },
  });
}

/** Returns a function that sends call number `index`. */
function senderOf(balancer: Balancer, { stream, own }: Scenario, all: AbortSignal) {
  const bodies = Array.from({ length: MODELS }, (_, model) => ({
    model: `model-${model}`,
    messages: [{ role: 'user' as const, content: 'Where is my parcel? It should have come on Tuesday.' }],
    max_tokens: 200,
    ...(stream ? { stream } : {}),
  }));
  // Created here because they belong to the app and must not count as memory of a waiting call.
  const signals = Array.from({ length: 4_000 + WAITING }, () => (own ? new AbortController().signal : all));
  return (index: number): Promise<unknown> =>
    balancer.chat(bodies[index % MODELS]!, {
      signal: signals[index]!,
      priority: ((index % 5) + 1) as 1,
      tenant: `tenant ${own ? index : index % 100}`,
      // Without a timeout, a stream waits in the queue for at most a minute.
      ...(stream ? { timeoutMs: 86_400_000 } : {}),
    });
}

function heapUsed(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

async function timeDrains(balancer: Balancer): Promise<number[]> {
  const drainMs: number[] = [];
  for (let round = 0; round < 60; round++) {
    await new Promise((resolve) => setTimeout(resolve, 25));
    const start = performance.now();
    balancer.endpoint('key-0').setWeight(1);
    await Promise.resolve();
    await Promise.resolve();
    drainMs.push(performance.now() - start);
  }
  return drainMs;
}

async function run(scenario: Scenario): Promise<Row> {
  const balancer = balancerOf();
  const abort = new AbortController();
  const send = senderOf(balancer, scenario, abort.signal);
  // Empties the buckets and creates everything that is created only once.
  const filling = Array.from({ length: 4_000 }, (_, index) => send(index));
  await new Promise((resolve) => setTimeout(resolve, 500));
  const before = heapUsed();
  const { size } = balancer.stats().queue;
  const entering = performance.now();
  const calls = Array.from({ length: WAITING - size }, (_, index) => send(4_000 + index));
  const enterUs = ((performance.now() - entering) / calls.length) * 1_000;
  await new Promise((resolve) => setImmediate(resolve));
  const after = heapUsed();
  const waiting = balancer.stats().queue.size;
  const drainMs = await timeDrains(balancer);
  await Promise.all([balancer.close({ graceMs: 0 }), Promise.allSettled([...filling, ...calls])]);
  return {
    waiting,
    'entering, us per call': enterUs.toFixed(1),
    'memory, bytes per call':
      'gc' in globalThis ? Math.round((after - before) / (waiting - size)) : 'needs --expose-gc',
    'drain, ms, p50': percentile(drainMs, 0.5).toFixed(2),
    'drain, ms, p95': percentile(drainMs, 0.95).toFixed(2),
  };
}

async function main(): Promise<void> {
  const rows: Record<string, Row> = {};
  rows['whole answers'] = await run({ stream: false, own: false });
  rows['streams'] = await run({ stream: true, own: false });
  rows['whole, own signal and tenant each'] = await run({ stream: false, own: true });
  console.log(`calls waiting in the balancer, ${ENDPOINTS} endpoints; node ${process.version}`);
  console.table(rows);
  process.exit(0);
}

void main();
