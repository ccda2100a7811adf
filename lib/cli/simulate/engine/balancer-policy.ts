import type { BalancerConfig, BalancerStats } from '../../../index';
import type { CallOutcome } from './figures';
import { CALL_FIELD, providerAdapter, virtualURL } from './provider-adapter';
import type { Policy } from './run';
import type { VirtualProvider } from './virtual-provider';
import type { WorkCall } from './workload';

export interface BalancerPolicyOptions {
  readonly config: BalancerConfig;
  readonly providers: readonly VirtualProvider[];
  readonly calls: readonly WorkCall[];
  /** Whether calls are streamed, so that first tokens are seen. */
  readonly stream: boolean;
  /** The model that calls ask for; undefined for 'auto'. */
  readonly model?: string;
}

/** The balancer as a policy. */
export interface BalancerPolicy extends Policy {
  stats(): BalancerStats;
}

/**
 * The package itself, with the network taken out: endpoint number i of the config reaches provider number i. Load it
 * only on virtual time; what it loads reads the clock.
 */
export async function balancerPolicy(options: BalancerPolicyOptions): Promise<BalancerPolicy> {
  const [{ createBalancer, AiBalancerError }, { openaiDialect }, { default: axios }] = await Promise.all([
    import('../../../index'),
    import('../../../provider/openai'),
    import('axios'),
  ]);
  const { config, providers, calls } = options;
  const dialects = config.endpoints.map(({ provider = 'openai' }) => [provider, openaiDialect] as const);
  const balancer = createBalancer({
    ...config,
    endpoints: config.endpoints.map((endpoint, index) => ({ ...endpoint, baseURL: virtualURL(index) })),
    // The machine speaks one wire; which one a provider speaks changes nothing of what is measured.
    dialects: Object.fromEntries(dialects),
    http: { axios: axios.create({ adapter: providerAdapter(providers, calls) }) },
  });

  const serve = async (call: WorkCall): Promise<CallOutcome> => {
    const since = performance.now();
    try {
      const firstTokenMs = await answer(call, since);
      return { ok: true, firstTokenMs, totalMs: performance.now() - since };
    } catch (error) {
      const totalMs = performance.now() - since;
      if (!AiBalancerError.isInstance(error)) return { ok: false, reason: String(error), totalMs };
      return { ok: false, reason: error.code, endpoint: error.attempts?.at(-1)?.endpoint, totalMs };
    }
  };

  const answer = async (call: WorkCall, since: number): Promise<number | undefined> => {
    const body = {
      messages: [{ role: 'user', content: 'simulated' }],
      max_tokens: call.maxTokens,
      metadata: { [CALL_FIELD]: String(call.index) },
      ...(options.model === undefined ? {} : { model: options.model }),
    };
    const said = {
      priority: call.priority,
      maxLatencyMs: call.deadlineMs,
      minQuality: call.minQuality,
      estimatedTokens: call.promptTokens + call.expectedOutputTokens,
      estimatedOutputTokens: call.expectedOutputTokens,
      ...(call.maxUsdPer1k === undefined ? {} : { maxCostPer1k: call.maxUsdPer1k }),
    };
    if (!options.stream) {
      await balancer.chat({ ...body, stream: false }, said);
      return undefined;
    }
    const stream = await balancer.chat({ ...body, stream: true }, said);
    const firstTokenMs = performance.now() - since;
    for await (const _chunk of stream);
    return firstTokenMs;
  };

  return { serve, stats: () => balancer.stats(), close: () => balancer.close({ graceMs: 0 }) };
}
