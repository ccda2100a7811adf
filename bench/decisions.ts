/**
 * The time of one routing decision with an empty queue, when every endpoint can serve every call: planning the call
 * (filters, cost) and picking an endpoint (capacity, scores).
 * `npm run bench -- decisions [--quick]`
 */
import { EndpointRegistry } from '../lib/balancer/endpoint-registry';
import type { Call } from '../lib/call/call';
import { prepareCall } from '../lib/call/prepare';
import { ExpectedOutput } from '../lib/call/tokens';
import { resolveConfig } from '../lib/config/resolve';
import type { EndpointConfig } from '../lib/index';
import { balancerConfig } from './policy/balancer-config';
import { fleetNamed } from './policy/fleets';
import { median } from './statistics';

interface DecisionTimes {
  /** Microseconds, of each batch. */
  readonly plans: readonly number[];
  readonly picks: readonly number[];
}

const CALLS = 64;
const BATCHES = process.argv.includes('--quick') ? 41 : 401;
/** Batches in which the code is compiled. */
const WARM_UP = 200;

function decisionTimes(count: number): DecisionTimes {
  const config = balancerConfig(fleetNamed('standard'), 'adaptive');
  const endpoints: EndpointConfig[] = Array.from({ length: count }, (_, index) => {
    const like = config.endpoints[index % config.endpoints.length]!;
    return { ...like, name: `endpoint-${index}`, provider: 'openai', rpm: 1e6, tpm: 1e9 };
  });
  const nothing = (): void => undefined;
  const fleet = new EndpointRegistry(resolveConfig({ ...config, endpoints }), {
    onState: nothing,
    onCooldown: nothing,
    onCapacity: nothing,
  });
  const { planner, router } = fleet.routes;
  const plans: number[] = [];
  const picks: number[] = [];
  for (let batch = -WARM_UP; batch < BATCHES; batch++) {
    // New ones for each batch, whose deadlines are not over.
    const calls = Array.from({ length: CALLS }, (_, index) => sampleCall(index));
    let planning = 0n;
    const startedAt = process.hrtime.bigint();
    // As in the balancer, each plan is used for one pick right away.
    for (const call of calls) {
      const start = process.hrtime.bigint();
      const plan = planner.plan(call);
      planning += process.hrtime.bigint() - start;
      router.pick(plan, { now: performance.now() });
    }
    const all = process.hrtime.bigint() - startedAt;
    if (batch < 0) continue;
    plans.push(Number(planning) / 1000 / CALLS);
    picks.push(Number(all - planning) / 1000 / CALLS);
  }
  fleet.close();
  return { plans, picks };
}

function sampleCall(index: number): Call {
  const body = { messages: [{ role: 'user', content: 'x' }], max_tokens: 200 + index };
  const options = { estimatedTokens: 1000 + index, estimatedOutputTokens: 100, maxLatencyMs: 20_000 };
  return prepareCall('chat', body, options, new AbortController().signal, {
    classify: () => 'chat',
    estimateTokens: undefined,
    expectedOutput: new ExpectedOutput(),
    maxOutputTokens: 128_000,
    totalMs: { chat: 60_000, embeddings: 30_000 },
  });
}

const rows = [12, 50, 500].map((endpoints) => {
  const { plans, picks } = decisionTimes(endpoints);
  const together = plans.map((plan, index) => plan + (picks[index] as number));
  const cells = [median(plans), median(picks), median(together), Math.min(...together)];
  return [endpoints, ...cells.map((us) => us.toFixed(1))].join(' | ');
});
console.log(`${BATCHES} batches of ${CALLS} decisions; node ${process.version}`);
console.log('| endpoints | filters, us | pick, us | together, us | fastest batch, us |');
console.log('| ---: | ---: | ---: | ---: | ---: |');
for (const row of rows) console.log(`| ${row} |`);
process.exit();
