/**
 * The cost of the wait queue: entering, leaving, a drain in which every call is blocked, a drain that starts calls, and
 * memory. Run with `tsx bench/queue-drain.ts`; with `node --expose-gc --import tsx` it also measures memory.
 */
import type { Priority } from '../lib/call/context';
import type { QueuedCall, Resource, StartResult } from '../lib/queue/queued-call';
import { WaitQueue } from '../lib/queue/wait-queue';
import { median } from './statistics';

const WAITING = 10_000;
const RESOURCES = 50;
const RUNS = 5;
/** Tokens in each bucket before a drain that starts calls. */
const FREED = 600;

interface Bucket extends Resource {
  level: number;
}

let seed = 1;
function random(): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
}

function fleet(): Bucket[] {
  return Array.from({ length: RESOURCES }, () => ({ tokensPerMs: 10, requestsPerMs: 0.1, level: 0 }));
}

/** Pool i uses a window of the fleet, so that neighbouring pools overlap; one pool uses all of it. */
function windowOf(all: Bucket[], pools: number, pool: number): Bucket[] {
  if (pools === 1) return all;
  const width = pools === all.length ? 4 : 10;
  const start = Math.floor((pool * all.length) / pools);
  return Array.from({ length: width }, (_, i) => all[(start + i) % all.length]!);
}

function makeCall(resources: Bucket[], poolKey: string, tenant: string): QueuedCall<Bucket> {
  const promptTokens = Math.floor(100 + 4000 * random() ** 2);
  const outputTokens = Math.floor(20 + 500 * random());
  const tokens = promptTokens + outputTokens;
  return {
    poolKey,
    resources,
    priority: (1 + Math.floor(random() * 5)) as Priority,
    tenant,
    promptTokens,
    outputTokens,
    deadlineAt: performance.now() + 3_600_000,
    serviceMs: 1000,
    signal: new AbortController().signal,
    tryStart(isHeld): StartResult<Bucket> {
      let soonest: Bucket | undefined;
      for (const bucket of resources) {
        if (isHeld(bucket)) continue;
        if (bucket.level >= tokens) {
          bucket.level -= tokens;
          return { kind: 'started', slot: bucket };
        }
        if (soonest === undefined || bucket.level > soonest.level) soonest = bucket;
      }
      if (soonest === undefined) return { kind: 'waiting', waitMs: Infinity };
      return { kind: 'waiting', on: soonest, waitMs: 600_000 };
    },
  };
}

/** Runs a drain and returns how long it took. The previous drain must have ended at least 25 ms before. */
async function timeDrain(queue: WaitQueue<Bucket>): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 25));
  const start = performance.now();
  queue.wake();
  await Promise.resolve();
  return performance.now() - start;
}

async function run(pools: number, tenants: number) {
  const all = fleet();
  const queue = new WaitQueue<Bucket>({ maxSize: WAITING, maxBytes: Infinity });
  const calls = Array.from({ length: WAITING }, () => {
    const pool = Math.floor(random() * pools);
    return makeCall(windowOf(all, pools, pool), `pool ${pool}`, `tenant ${Math.floor(random() * tenants)}`);
  });
  const collect = globalThis.gc;
  collect?.();
  const before = process.memoryUsage().heapUsed;
  const entering = performance.now();
  const waiting = calls.map((call) => queue.waitForSlot(call));
  const enterUs = ((performance.now() - entering) * 1000) / WAITING;
  for (const promise of waiting) promise.catch(() => undefined);
  await timeDrain(queue);
  collect?.();
  const bytes = collect ? (process.memoryUsage().heapUsed - before) / WAITING : Number.NaN;

  const blocked: number[] = [];
  const starting: number[] = [];
  let started = 0;
  for (let i = 0; i < 7; i++) {
    blocked.push(await timeDrain(queue));
    for (const bucket of all) bucket.level = FREED;
    const size = queue.size;
    const ms = await timeDrain(queue);
    if (queue.size < size) starting.push((ms * 1000) / (size - queue.size));
    started += size - queue.size;
    for (const bucket of all) bucket.level = 0;
  }
  const leaving = performance.now();
  queue.rejectAll(new Error('done'));
  const leaveUs = ((performance.now() - leaving) * 1000) / WAITING;
  await Promise.allSettled(waiting);
  return { enterUs, leaveUs, blockedMs: median(blocked), started, startUs: median(starting), bytes };
}

async function main(): Promise<void> {
  const rows: Record<string, string | number>[] = [];
  await run(50, 100);
  for (const pools of [1, 10, 50]) {
    for (const tenants of [1, 100, 10_000]) {
      const runs: Awaited<ReturnType<typeof run>>[] = [];
      for (let i = 0; i < RUNS; i++) runs.push(await run(pools, tenants));
      const of = (key: keyof (typeof runs)[number]) => median(runs.map((one) => one[key]));
      rows.push({
        pools,
        tenants,
        'enter, us': of('enterUs').toFixed(2),
        'leave, us': of('leaveUs').toFixed(2),
        'drain, all blocked, ms': of('blockedMs').toFixed(3),
        'calls started': of('started'),
        'drain that starts calls, us per start': of('startUs').toFixed(1),
        'bytes per call': Number.isNaN(of('bytes')) ? 'needs --expose-gc' : Math.round(of('bytes')),
      });
    }
  }
  console.log(
    `${WAITING} waiting calls, ${RESOURCES} resources, medians of ${RUNS} runs; node ${process.version}`,
  );
  console.table(rows);
}

void main();
