import axios from 'axios';
import { Balancer, type BalancerConfig, type EndpointConfig } from 'express-ai-balancer';
import type { ModelDescription } from 'express-ai-balancer/simulator';
import { VirtualUpstream } from '../../bench/quota/virtual-upstream';

export const TPM = 30_000;

/** A balancer with one key on a fake clock; the simulated provider is its axios adapter. */
export class VirtualKey {
  readonly upstream: VirtualUpstream;
  readonly balancer: Balancer;

  constructor(
    description: Partial<ModelDescription> = {},
    endpoint: Partial<EndpointConfig> = {},
    config: Partial<BalancerConfig> = {},
  ) {
    this.upstream = new VirtualUpstream({ model: 'gpt-4o', description: { tpm: TPM, ...description } });
    this.balancer = new Balancer({
      endpoints: [
        {
          name: 'main',
          model: 'gpt-4o',
          apiKey: 'sk-test',
          baseURL: 'http://upstream.invalid/v1',
          tpm: TPM,
          ...endpoint,
        },
      ],
      hedge: false,
      timeouts: { totalMs: 600_000 },
      estimateTokens: (body) => Number((body as { metadata?: { prompt?: string } }).metadata?.prompt ?? 1),
      http: { axios: axios.create({ adapter: this.upstream.adapter }) },
      ...config,
    });
  }

  chat(prompt = 700, output = 200, maxTokens?: number): Promise<unknown> {
    return this.balancer.chat({
      model: 'gpt-4o',
      messages: [{ role: 'user', content: 'x' }],
      metadata: { prompt: String(prompt), output: String(output) },
      ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    });
  }

  /** Makes the given number of calls, 50 at a time. Resolves to the number of calls that were served. */
  async serve(calls: number, maxTokens?: number): Promise<number> {
    let left = calls;
    let served = 0;
    let running = 50;
    const caller = async (): Promise<void> => {
      for (; left > 0; ) {
        left -= 1;
        await this.chat(700, 200, maxTokens);
        served += 1;
      }
      running -= 1;
    };
    const callers = Array.from({ length: running }, caller);
    while (running > 0) await jest.advanceTimersByTimeAsync(1_000);
    await Promise.all(callers);
    return served;
  }
}

/** Fakes timers but not promises, so that the work a timer starts is done before the next timer fires. */
export function useFakeClock(): void {
  beforeEach(() => void jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] }));
  afterEach(() => void jest.useRealTimers());
}
