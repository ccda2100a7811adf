/**
 * The time of `balancer.stats()` with 500 endpoints in every state. It should stay below 1 ms.
 * `npm run bench -- stats [--quick]`
 */
import axios, { type AxiosAdapter, AxiosError } from 'axios';
import { type Balancer, createBalancer } from '../lib/index';
import { BODY, instantAdapter } from './instant-adapter';
import { percentile } from './statistics';

const ENDPOINTS = 500;
const ROUNDS = process.argv.includes('--quick') ? 500 : 5_000;
const HOUR_MS = 3_600_000;

const wrongKey: AxiosAdapter = (config) =>
  Promise.resolve({
    status: 401,
    statusText: '',
    headers: { 'content-type': 'application/json' },
    data: JSON.stringify({ error: { message: 'Incorrect API key provided.', code: 'invalid_api_key' } }),
    config,
  });

const unreachable: AxiosAdapter = (config) =>
  Promise.reject(new AxiosError('connect ECONNREFUSED 10.0.0.7:8000', 'ECONNREFUSED', config));

function balancerOver(adapter: AxiosAdapter): Balancer {
  return createBalancer({
    endpoints: Array.from({ length: ENDPOINTS }, (_, index) => ({
      name: `key-${index}`,
      model: 'gpt-4o',
      apiKey: 'sk-test',
      baseURL: 'http://upstream.invalid/v1',
      rpm: 600,
      tpm: 600_000,
    })),
    retry: { maxAttempts: 1 },
    breaker: { resetTimeoutMs: HOUR_MS, maxResetTimeoutMs: HOUR_MS },
    logger: false,
    http: { axios: axios.create({ adapter }) },
  });
}

async function failEach(balancer: Balancer, calls: number): Promise<void> {
  for (const { name } of balancer.stats().endpoints) {
    for (let call = 0; call < calls; call++) {
      const messages = [{ role: 'user' as const, content: `${call} of ${name}` }];
      await balancer.chat({ ...BODY, messages }, { endpoint: name }).catch(() => undefined);
    }
  }
}

/** Milliseconds. */
function measure(balancer: Balancer): number[] {
  const times: number[] = [];
  for (let round = -ROUNDS / 10; round < ROUNDS; round++) {
    const start = performance.now();
    balancer.stats();
    if (round >= 0) times.push(performance.now() - start);
  }
  return times;
}

async function report(state: string, balancer: Balancer): Promise<void> {
  const { endpoints } = balancer.stats();
  if (endpoints.some((endpoint) => endpoint.state !== state)) throw new Error(`not all are ${state}`);
  const times = measure(balancer);
  const [middle, p99] = [0.5, 0.99].map((share) => percentile(times, share).toFixed(2));
  console.log(`| ${state} | ${middle} | ${p99} |`);
  await balancer.close();
}

async function main(): Promise<void> {
  console.log(`\`stats()\` at ${ENDPOINTS} endpoints, all in the same state:\n`);
  console.log('| state | median, ms | p99, ms |\n| --- | ---: | ---: |');
  await report('closed', balancerOver(instantAdapter()));

  const disabled = balancerOver(instantAdapter());
  for (const { name } of disabled.stats().endpoints) disabled.endpoint(name).disable();
  await report('disabled', disabled);

  const cooling = balancerOver(wrongKey);
  await failEach(cooling, 1);
  await report('cooldown', cooling);

  const open = balancerOver(unreachable);
  await failEach(open, 5);
  await report('open', open);
}

void main();
