/**
 * The latency that the balancer adds to a call that finds capacity, over a connection pool or an axios adapter of the app's
 * that answers immediately; and how many calls a core can make per second.
 * `npm run bench -- latency [--quick]`
 */
import axios from 'axios';
import { createBalancer } from '../lib/index';
import { answerFromPools, BODY, instantAdapter } from './instant-adapter';
import { median, percentile } from './statistics';

const HEADERS = {
  'x-ratelimit-limit-requests': '10000000',
  'x-ratelimit-remaining-requests': '9999999',
  'x-ratelimit-reset-requests': '1ms',
  'x-ratelimit-limit-tokens': '1000000000',
  'x-ratelimit-remaining-tokens': '999999000',
  'x-ratelimit-reset-tokens': '1ms',
};
const adapter = instantAdapter(HEADERS);
answerFromPools(HEADERS);
const ROUNDS = process.argv.includes('--quick') ? 3_000 : 20_000;
const THROUGHPUT_ROUNDS = 9;
const IN_FLIGHT = 20;

function balancer(limits: { rpm?: number; tpm?: number }, endpoints = 1, own = true) {
  return createBalancer({
    endpoints: Array.from({ length: endpoints }, (_, index) => ({
      name: `key-${index}`,
      model: 'gpt-4o',
      apiKey: 'sk-test',
      baseURL: 'http://upstream.invalid/v1',
      ...limits,
    })),
    hedge: false,
    ...(own && { http: { axios: axios.create({ adapter }) } }),
  });
}

/** Microseconds per call. The sides take turns, so that load from other processes affects all of them alike. */
async function compare(sides: Record<string, () => PromiseLike<unknown>>): Promise<Record<string, number[]>> {
  const times = Object.fromEntries(Object.keys(sides).map((name) => [name, [] as number[]]));
  for (let round = -ROUNDS / 10; round < ROUNDS; round++) {
    for (const [name, call] of Object.entries(sides)) {
      const start = performance.now();
      await call();
      if (round >= 0) times[name]!.push((performance.now() - start) * 1_000);
    }
  }
  return times;
}

/** CPU time per call with 20 calls in flight, in turns, and the calls per second that one core can make. */
async function throughput(sides: Record<string, () => PromiseLike<unknown>>): Promise<void> {
  const times = new Map(Object.keys(sides).map((name) => [name, [] as number[]]));
  for (let round = -1; round < THROUGHPUT_ROUNDS; round++) {
    for (const [name, call] of Object.entries(sides)) {
      let left = ROUNDS;
      const caller = async (): Promise<void> => {
        while (left-- > 0) await call();
      };
      const before = process.cpuUsage();
      await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
      const { user, system } = process.cpuUsage(before);
      if (round >= 0) times.get(name)?.push((user + system) / ROUNDS);
    }
  }
  console.log(
    `CPU time per call, ${IN_FLIGHT} in flight, ${THROUGHPUT_ROUNDS} rounds of ${ROUNDS} calls in turn`,
  );
  console.table(
    [...times].map(([side, values]) => ({
      side,
      'least, us': Math.min(...values).toFixed(1),
      'median, us': median(values).toFixed(1),
      'calls per second': (1e6 / median(values)).toFixed(0),
    })),
  );
}

async function main(): Promise<void> {
  const plain = axios.create({ adapter });
  const axiosAlone = () =>
    plain.request({ method: 'POST', url: 'http://upstream.invalid/v1', data: JSON.stringify(BODY) });
  const limits = { rpm: 10_000_000, tpm: 1_000_000_000 };
  const [without, withQuota, fifty] = [balancer({}), balancer(limits), balancer(limits, 50)];
  const byDefault = balancer(limits, 1, false);
  const times = await compare({
    'axios alone': axiosAlone,
    'balancer without quotas': () => without.chat(BODY),
    'balancer with quotas': () => withQuota.chat(BODY),
    'balancer with quotas, without an axios instance of its own': () => byDefault.chat(BODY),
    'balancer with quotas, 50 endpoints': () => fifty.chat(BODY),
  });
  console.log(`Microseconds per call with free capacity, ${ROUNDS} calls in turn; node ${process.version}`);
  console.table(
    Object.entries(times).map(([side, values]) => ({
      side,
      p50: percentile(values, 0.5).toFixed(0),
      p90: percentile(values, 0.9).toFixed(0),
      p99: percentile(values, 0.99).toFixed(0),
    })),
  );
  await throughput({
    'axios alone': axiosAlone,
    'balancer with quotas': () => byDefault.chat(BODY),
  });
  await Promise.all([without, withQuota, fifty, byDefault].map((one) => one.close({ graceMs: 0 })));
}

void main();
