import { time } from './clock';

const TPM = 600_000;
const ENDPOINTS = 4;
/** Shares of priorities 1 to 5. */
const SHARES = [0.2, 0.3, 0.3, 0.1, 0.1] as const;

export interface OverloadResult {
  readonly calls: number;
  /** Share of calls answered within their deadline, for priorities 1 to 5. */
  readonly inTime: readonly number[];
  readonly refusedPerMille: number;
  readonly usedShare: number;
}

/** Calls at `load` times the rate that the quotas allow, with lengths and deadlines of chat traffic. */
export async function runOverload(
  load: number,
  seconds: number,
  description: { readonly tokensCharged: 'reserved' | 'actual'; readonly headers: boolean },
  seed = 1,
): Promise<OverloadResult> {
  const [{ createBalancer }, { VirtualUpstream }, { seededRandom, lognormal }, { default: axios }] =
    await Promise.all([
      import('../../lib/index'),
      import('./virtual-upstream'),
      import('../../lib/simulator/behavior'),
      import('axios'),
    ]);
  const random = seededRandom(seed);
  const upstreams = Array.from(
    { length: ENDPOINTS },
    (_, index) =>
      new VirtualUpstream({
        model: 'gpt-4o',
        seed: seed + index,
        description: {
          tpm: TPM,
          tokensCharged: description.tokensCharged,
          sendsRateLimitHeaders: description.headers,
        },
      }),
  );
  const balancer = createBalancer({
    endpoints: upstreams.map((_, index) => ({
      name: `key-${index}`,
      model: 'gpt-4o',
      apiKey: 'sk-test',
      baseURL: `http://upstream-${index}.invalid/v1`,
      tpm: TPM,
    })),
    estimateTokens: (body) => Number((body as { metadata?: { prompt?: string } }).metadata?.prompt ?? 1),
    http: {
      axios: axios.create({
        adapter: (config) => {
          const index = Number(/upstream-(\d+)/.exec(config.url ?? '')?.[1]);
          return upstreams[index]?.adapter(config) as never;
        },
      }),
    },
  });
  const seen = [0, 0, 0, 0, 0];
  const good = [0, 0, 0, 0, 0];
  const draw = () => {
    const prompt = Math.ceil(Math.min(8_000, 900 * lognormal(random, 0.9)));
    const output = Math.ceil(Math.min(1_000, 150 * lognormal(random, 0.7)));
    return { prompt, output, maxTokens: Math.ceil(output * (1.1 + 1.4 * random())) };
  };
  let mean = 0;
  for (let i = 0; i < 5_000; i++) {
    const { prompt, output, maxTokens } = draw();
    mean += (prompt + (description.tokensCharged === 'reserved' ? maxTokens : output)) / 5_000;
  }
  const perMs = (load * ENDPOINTS * TPM) / 60_000 / mean;
  const send = async (): Promise<void> => {
    let drawn = random();
    const index = Math.max(
      0,
      SHARES.findIndex((share) => (drawn -= share) < 0),
    );
    const { prompt, output, maxTokens } = draw();
    seen[index]!++;
    try {
      await balancer.chat(
        {
          model: 'gpt-4o',
          messages: [{ role: 'user', content: 'x' }],
          max_tokens: maxTokens,
          metadata: { prompt: String(prompt), output: String(output) },
        },
        { priority: (index + 1) as 1, timeoutMs: (3_000 + 60 * output) * (1 + random()) },
      );
      good[index]!++;
    } catch {
      // Too late: counts as not answered.
    }
  };
  let dueCalls = 0;
  for (let ms = 0; ms < seconds * 1_000; ms += 10) {
    for (dueCalls += 10 * perMs; dueCalls >= 1; dueCalls--) setTimeout(() => void send(), random() * 10);
    await time.advance(10);
  }
  await time.advance(200_000);
  const refused = upstreams.reduce((sum, { refused }) => sum + refused, 0);
  const attempts = upstreams.reduce((sum, { attempts }) => sum + attempts, 0);
  const left = balancer.stats().queue.size;
  if (left > 0) throw new Error(`${left} calls are still waiting`);
  await balancer.close({ graceMs: 0 });
  return {
    calls: seen.reduce((sum, count) => sum + count, 0),
    inTime: seen.map((count, index) => good[index]! / count),
    refusedPerMille: (1_000 * refused) / attempts,
    usedShare: upstreams.reduce((sum, { seen }) => sum + seen.usedShare(TPM), 0) / upstreams.length,
  };
}
