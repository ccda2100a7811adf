import { createBalancer } from '../../lib/index';
import { type ModelDescription, startFleetProcess } from '../../lib/simulator';
import { Observer } from './observer';

export interface RealTimeOptions {
  readonly seconds: number;
  readonly tpm: number;
  /** Real tokens per call. */
  readonly real: { readonly prompt: number; readonly output: number };
  readonly maxTokens?: number;
  readonly upstream?: Partial<ModelDescription>;
  /** Ratio of the estimated to the real number of prompt tokens. Default 1. */
  readonly estimate?: number;
  /** Length of the event loop stalls in milliseconds, one every 1.1 s. Default: none. */
  readonly stallMs?: number;
}

export interface RealTimeResult {
  readonly calls: number;
  readonly refused: number;
  readonly depthNeeded: number;
  readonly usedShare: number;
  readonly failed: number;
}

/** Calls over sockets to a simulated provider in a child process, 50 at a time, while this event loop stalls. */
export async function runRealTime(options: RealTimeOptions): Promise<RealTimeResult> {
  const { seconds, tpm, real, maxTokens, upstream, estimate = 1, stallMs = 0 } = options;
  const fleet = await startFleetProcess({
    providers: [
      {
        name: 'main',
        errorShare: 0,
        recordRequests: 100_000,
        models: { 'gpt-4o': { tpm, ttftMs: 100, msPerOutputToken: 2, ...upstream } },
      },
    ],
  });
  const provider = fleet.provider('main');
  const balancer = createBalancer({
    endpoints: [{ name: 'main', model: 'gpt-4o', baseURL: provider.url, apiKey: 'sk-test', tpm }],
    hedge: false,
    timeouts: { totalMs: 600_000 },
    estimateTokens: () => Math.round(real.prompt * estimate),
  });
  const until = performance.now() + seconds * 1_000;
  const abort = new AbortController();
  let failed = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() < until) {
      try {
        await balancer.chat(
          {
            model: 'gpt-4o',
            messages: [{ role: 'user', content: 'x' }],
            metadata: {
              simulate_prompt_tokens: String(real.prompt),
              simulate_output_tokens: String(real.output),
            },
            ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
          },
          { signal: abort.signal },
        );
      } catch {
        if (!abort.signal.aborted) failed++;
      }
    }
  };
  const stalls = stallMs > 0 ? setInterval(() => blockEventLoop(stallMs), 1_100) : undefined;
  const callers = Array.from({ length: 50 }, caller);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  clearInterval(stalls);
  abort.abort();
  await Promise.all(callers);
  const seen = new Observer();
  const { rateLimited } = await provider.stats();
  for (const { at } of await provider.requests()) seen.admit(at, real.prompt + real.output);
  await balancer.close({ graceMs: 0 });
  await fleet.close();
  return {
    calls: seen.calls,
    refused: rateLimited,
    depthNeeded: seen.depthNeeded(tpm),
    usedShare: seen.usedShare(tpm),
    failed,
  };
}

function blockEventLoop(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
