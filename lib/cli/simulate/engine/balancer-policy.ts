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
  /** Whether calls are streamed. The time to the first token is known only then. */
  readonly stream: boolean;
  /** The model of every call. Default 'auto'. */
  readonly model?: string;
}

export interface BalancerPolicy extends Policy {
  stats(): BalancerStats;
}

/**
 * Creates a policy that serves calls with a real Balancer over simulated providers: endpoint i of the configuration
 * reaches provider i. Call it only in virtual time, because it loads modules that read the clock.
 */
export async function balancerPolicy(options: BalancerPolicyOptions): Promise<BalancerPolicy> {
  const [{ createBalancer, AiBalancerError }, { openaiDialect }, { default: axios }] = await Promise.all([
    import('../../../index'),
    import('../../../provider/openai/openai-dialect'),
    import('axios'),
  ]);
  const { config, providers, calls } = options;
  const dialects = config.endpoints.map(({ provider = 'openai' }) => [provider, openaiDialect] as const);
  const balancer = createBalancer({
    logger: false,
    ...config,
    endpoints: config.endpoints.map((endpoint, index) => ({ ...endpoint, baseURL: virtualURL(index) })),
    // Simulated providers understand only OpenAI's format. The dialect does not affect the measured figures.
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
    const { logged } = call;
    const model = logged ? logged.model : options.model;
    const body = {
      messages: [{ role: 'user', content: 'simulated' }],
      ...(logged?.hasMaxTokens === false ? {} : { max_tokens: call.maxTokens }),
      metadata: { [CALL_FIELD]: String(call.index) },
      ...(model === undefined ? {} : { model }),
    };
    const callOptions = {
      priority: call.priority,
      ...(logged?.hasDeadline === false ? {} : { maxLatencyMs: call.deadlineMs }),
      ...(logged?.tenant === undefined ? {} : { tenant: logged.tenant }),
      ...(logged?.type === undefined ? {} : { type: logged.type }),
      ...(logged?.tags === undefined ? {} : { tags: [...logged.tags] }),
      minQuality: call.minQuality,
      estimatedTokens: call.promptTokens + call.expectedOutputTokens,
      estimatedOutputTokens: call.expectedOutputTokens,
      ...(call.maxUsdPer1k === undefined ? {} : { maxCostPer1k: call.maxUsdPer1k }),
    };
    if (!(logged?.stream ?? options.stream)) {
      await balancer.chat({ ...body, stream: false }, callOptions);
      return undefined;
    }
    const stream = await balancer.chat({ ...body, stream: true }, callOptions);
    const firstTokenMs = performance.now() - since;
    for await (const _chunk of stream);
    return firstTokenMs;
  };

  return { serve, stats: () => balancer.stats(), close: () => balancer.close({ graceMs: 0 }) };
}
