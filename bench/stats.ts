/**
 * The time of `balancer.stats()` with 500 endpoints, sound and all cooling down. It should stay below 1 ms.
 * `npx tsx bench/stats.ts [--quick]`
 */
import axios from 'axios';
import { createBalancer } from '../lib/index';
import { instantAdapter } from './instant-adapter';
import { percentile } from './statistics';

const ENDPOINTS = 500;
const ROUNDS = process.argv.includes('--quick') ? 500 : 5_000;

const balancer = createBalancer({
  endpoints: Array.from({ length: ENDPOINTS }, (_, index) => ({
    name: `key-${index}`,
    model: 'gpt-4o',
    apiKey: 'sk-test',
    baseURL: 'http://upstream.invalid/v1',
    rpm: 600,
    tpm: 600_000,
  })),
  logger: false,
  http: { axios: axios.create({ adapter: instantAdapter({}) }) },
});

/** Milliseconds. */
function measure(): number[] {
  const times: number[] = [];
  for (let round = -ROUNDS / 10; round < ROUNDS; round++) {
    const start = performance.now();
    balancer.stats();
    if (round >= 0) times.push(performance.now() - start);
  }
  return times;
}

function report(what: string): void {
  const times = measure();
  const [median, p99] = [0.5, 0.99].map((share) => percentile(times, share).toFixed(3));
  console.log(`stats() at ${ENDPOINTS} endpoints, ${what}: median ${median} ms, p99 ${p99} ms`);
}

report('all sound');
for (const { name } of balancer.stats().endpoints) balancer.endpoint(name).disable();
report('all disabled, with a reason each');
void balancer.close();
