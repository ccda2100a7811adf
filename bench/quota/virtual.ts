import { time } from './clock';

import type { Variant } from './variants';

export interface VirtualResult {
  readonly variant: string;
  readonly served: number;
  readonly failed: number;
  readonly depthNeeded: number;
  readonly usedShare: number;
  /** 429s per 1,000 attempts. */
  readonly refusedPerMille: number;
  readonly refused: number;
  readonly refusedExternal: number;
  readonly minutes: number;
  readonly errors: Record<string, number>;
}

/** Sends `calls` calls of about 900 real tokens, `concurrency` at a time, in virtual time. */
export async function runVariant(
  variant: Variant,
  calls: number,
  concurrency: number,
): Promise<VirtualResult> {
  const [{ createBalancer, AiBalancerError }, { VirtualUpstream }, { TPM }, { default: axios }] =
    await Promise.all([
      import('../../lib/index'),
      import('./virtual-upstream'),
      import('./variants'),
      import('axios'),
    ]);
  const { real = { prompt: 700, output: 200 }, maxTokens, estimate = 1, provider, tokensCharged } = variant;
  const upstream = new VirtualUpstream({
    model: 'gpt-4o',
    description: { tpm: TPM, msPerOutputToken: 5, ...variant.upstream },
  });
  const balancer = createBalancer({
    endpoints: [
      {
        name: 'main',
        model: 'gpt-4o',
        apiKey: 'sk-test',
        baseURL: 'http://upstream.invalid/v1',
        tpm: TPM,
        ...(provider === undefined ? {} : { provider }),
        ...(tokensCharged === undefined ? {} : { tokensCharged }),
      },
    ],
    hedge: false,
    timeouts: { totalMs: 600_000 },
    estimateTokens: () => Math.round(real.prompt * estimate),
    http: { axios: axios.create({ adapter: upstream.adapter }) },
  });
  const started = performance.now();
  let left = calls;
  let served = 0;
  const errors: Record<string, number> = {};
  let running = concurrency;
  const body = {
    model: 'gpt-4o',
    messages: [{ role: 'user' as const, content: 'x' }],
    metadata: { prompt: String(real.prompt), output: String(real.output) },
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
  };
  const caller = async (): Promise<void> => {
    while (left-- > 0) {
      try {
        await balancer.chat(body);
        served++;
      } catch (error) {
        const code = AiBalancerError.isInstance(error) ? error.code : String(error);
        errors[code] = (errors[code] ?? 0) + 1;
        if (code.includes('not')) console.error(error);
      }
    }
    running--;
  };
  const externalTimer = variant.externalTpm
    ? setInterval(() => upstream.takeExternally(real), (900 / variant.externalTpm) * 60_000)
    : undefined;
  for (let i = 0; i < concurrency; i++) void caller();
  while (running > 0) await time.advance(1000);
  clearInterval(externalTimer);
  const minutes = (performance.now() - started) / 60_000;
  await balancer.close({ graceMs: 0 });
  return {
    variant: variant.name,
    served,
    failed: calls - served,
    depthNeeded: upstream.seen.depthNeeded(TPM),
    usedShare: upstream.seen.usedShare(TPM),
    refused: upstream.refused,
    refusedPerMille: (1000 * upstream.refused) / upstream.attempts,
    refusedExternal: upstream.refusedExternal,
    minutes,
    errors,
  };
}
