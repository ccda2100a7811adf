import { EndpointRegistry } from '../../lib/balancer/endpoint-registry';
import type { Call } from '../../lib/call/call';
import { prepareCall } from '../../lib/call/prepare';
import { ExpectedOutput } from '../../lib/call/tokens';
import { resolveConfig } from '../../lib/config/resolve';
import type { EndpointConfig, StrategyName } from '../../lib/index';
import { median } from '../statistics';
import { balancerConfig } from './balancer-config';
import { fleetNamed } from './fleets';

export interface DecisionTime {
  readonly endpoints: number;
  /** Medians in microseconds: planning the call (filters, cost) and picking an endpoint (capacity, scores). */
  readonly planUs: number;
  readonly pickUs: number;
}

const CALLS = 64;
const BATCHES = 41;

/** Time per routing decision with an empty queue, when every endpoint can serve every call. Uses the real clock. */
export function decisionTime(count: number, strategy: StrategyName | undefined): DecisionTime {
  const config = balancerConfig(fleetNamed('standard'), strategy);
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
  const calls = Array.from({ length: CALLS }, (_, index) => sampleCall(index));
  const { planner, router } = fleet.routes;
  const plans: number[] = [];
  const picks: number[] = [];
  for (let batch = 0; batch < BATCHES; batch++) {
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
    plans.push(Number(planning) / 1000 / CALLS);
    picks.push(Number(all - planning) / 1000 / CALLS);
  }
  fleet.close();
  return { endpoints: count, planUs: median(plans), pickUs: median(picks) };
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
