import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { VirtualTime } from '../../lib/cli/simulate/engine/virtual-time';
import type { BalancerConfig, CallOptions } from '../../lib/index';
import { type Random, seededRandom } from '../../lib/simulator/behavior';
import { LeakDetector } from './leak-detector';
import { faultyUpstream } from './upstream';

export interface SoakOptions {
  readonly calls: number;
  readonly seed: number;
}

/** Calls per second of virtual time. */
const RATE = 50;
const TICK_MS = 20;
const ROUNDS = 10;
const NAMES = ['a', 'b', 'c', 'd'];
/** Heap growth after the warm-up that counts as a leak. */
const FLAT_BYTES = 3 * 2 ** 20;

/** Prints what leaked. Resolves to true if nothing did. */
export async function soak(time: VirtualTime, { calls, seed }: SoakOptions): Promise<boolean> {
  const leaks = new LeakDetector();
  const [{ createBalancer, AiBalancerError }, { default: axios }, { Endpoint }] = await Promise.all([
    import('../../lib/index'),
    import('axios'),
    import('../../lib/endpoint/endpoint'),
  ]);
  const random = seededRandom(seed);
  Math.random = random;
  const { adapter, seen } = faultyUpstream(random);
  const http = { axios: axios.create({ adapter }) };

  let taken = 0;
  // Also counts endpoints that a reload has removed.
  const endpoints = new Set<{ readonly inFlight: number }>();
  const { acquireSlot } = Endpoint.prototype;
  Endpoint.prototype.acquireSlot = function (...args) {
    taken++;
    endpoints.add(this);
    return acquireSlot.apply(this, args);
  };
  const unsettled = (): number => {
    // Without what has ended: endpoints that reloads have removed would look like a leak.
    for (const endpoint of endpoints) if (endpoint.inFlight === 0) endpoints.delete(endpoint);
    return [...endpoints].reduce((sum, { inFlight }) => sum + inFlight, 0);
  };

  const balancer = createBalancer(configOf(0, random, http));
  const ends: Record<string, number> = {};
  let running = 0;
  const unread: AbortSignal[] = [];
  const runCall = async (): Promise<void> => {
    running++;
    const caller = new AbortController();
    if (random() < 0.2) setTimeout(() => caller.abort(), random() * 500);
    let end = 'answered';
    try {
      if (await ask(caller.signal)) end = 'unread';
    } catch (error) {
      end = AiBalancerError.isInstance(error) ? error.code : String(error);
    }
    if (end === 'unread') unread.push(caller.signal);
    else leaks.callFinished(caller.signal);
    ends[end] = (ends[end] ?? 0) + 1;
    running--;
  };
  /** Resolves to true if it left a stream unread. */
  const ask = async (signal: AbortSignal): Promise<boolean> => {
    const options: CallOptions = {
      signal,
      priority: (1 + Math.floor(random() * 5)) as 1,
      tenant: `t${Math.floor(random() * 20)}`,
      ...(random() < 0.1 ? { timeoutMs: 50 + random() * 2_000 } : {}),
      ...(random() < 0.1 ? { idempotencyKey: `k${Math.floor(random() * 20)}` } : {}),
    };
    const draw = random();
    const messages = [{ role: 'user' as const, content: `question ${Math.floor(random() * 10)}` }];
    if (draw < 0.1) {
      await balancer.embeddings({ model: 'm', input: `text ${Math.floor(random() * 5)}` }, options);
    } else if (draw < 0.55) {
      await balancer.chat({ model: 'm', messages, temperature: random() < 0.5 ? 0 : 1 }, options);
    } else {
      const stream = await balancer.chat({ model: 'm', messages, stream: true }, options);
      // Some streams are never read, some are abandoned early.
      if (random() < 0.02) return true;
      for await (const _chunk of stream) if (random() < 0.03) break;
    }
    return false;
  };

  const heaps: number[] = [];
  const startedAt = time.realMs();
  let started = 0;
  let reloads = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    while (started < (calls * round) / ROUNDS) {
      for (let n = 0; n < (RATE * TICK_MS) / 1_000 && started < calls; n++, started++) void runCall();
      await time.advance(TICK_MS);
      if (started % 500 === 0) await balancer.reload(configOf(++reloads, random, http));
    }
    // Unread streams end after a minute.
    await time.advance(150_000);
    for (const signal of unread.splice(0)) leaks.callFinished(signal);
    unsettled();
    heaps.push(heapUsed());
    process.stderr.write(`${started} calls, ${Math.round((time.realMs() - startedAt) / 1_000)} s\n`);
  }
  const stats = balancer.stats();
  const closed = balancer.close({ graceMs: 0 });
  await time.advance(1_000);
  await closed;
  await time.advance(60_000);

  // The first rounds do not count: code is being compiled and bounded caches fill up.
  const growth = (heaps.at(-1) ?? 0) - Math.min(...heaps.slice(2, 5));
  const left = {
    'calls that did not settle': running,
    'calls in flight': stats.endpoints.reduce((sum, { inFlight }) => sum + inFlight, 0),
    'calls in the queue': stats.queue.size,
    'unsettled reservations': unsettled(),
    'upstream requests open': seen.open,
    'unhandled rejections': leaks.unhandled.length,
    "listeners on callers' signals": leaks.listeners,
    timers: leaks.timers,
  };
  const figures = {
    calls,
    seed,
    reloads,
    'virtual minutes': Math.round(performance.now() / 60_000),
    'real seconds': Math.round((time.realMs() - startedAt) / 1_000),
    attempts: seen.attempts,
    'cancelled upstream': seen.aborted,
    'reservations taken': taken,
    ends,
    upstream: seen.kinds,
    left,
    'heap MiB by round': heaps.map((bytes) => Number((bytes / 2 ** 20).toFixed(1))),
    'heap growth MiB': Number((growth / 2 ** 20).toFixed(2)),
  };
  console.log(JSON.stringify(figures, undefined, 2));
  for (const reason of leaks.unhandled.slice(0, 3)) console.error(reason);
  return Object.values(left).every((count) => count === 0) && growth < FLAT_BYTES;
}

/** Each reload changes limits and weights, and takes an endpoint out or puts it back. */
function configOf(n: number, random: Random, http: BalancerConfig['http']): BalancerConfig {
  const endpoints = [...NAMES, `extra-${n}`]
    .filter((name) => name === 'a' || random() < 0.8)
    .map((name) => ({
      name,
      model: 'm',
      baseURL: `http://${name}.invalid/v1`,
      rpm: 1_000 + Math.floor(random() * 2_000),
      tpm: 1_000_000,
      maxConcurrent: 20,
      capabilities: ['chat', 'streaming', 'embeddings'],
      price: { input: 1, output: 2 },
      tier: name === 'd' ? 1 : 0,
      ...(name === 'b' || name === 'c' ? { quotaGroup: 'shared' } : {}),
    }));
  return {
    logger: false,
    endpoints,
    http: http ?? {},
    coalesce: true,
    idempotency: n % 2 === 0,
    timeouts: { firstTokenMs: 3_000, totalMs: 10_000, stallMs: 2_000 },
    stream: { recovery: n % 3 === 0 ? 'restart' : 'error' },
  };
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
