import type { BalancerConfig, EndpointConfig } from 'express-ai-balancer';
import { Balancer } from 'express-ai-balancer';
import { type ProviderOptions, type SimulatedProvider, startProvider } from 'express-ai-balancer/simulator';

export { pauseAndRead, rejection, until } from './async';

/** Starts providers and balancers, and closes them after each test. */
export class Rig {
  readonly #providers: SimulatedProvider[] = [];
  readonly #balancers: Balancer[] = [];

  constructor() {
    afterEach(() => this.close());
  }

  /** Starts a provider that answers immediately and never fails at random. */
  async provider(options: ProviderOptions = {}): Promise<SimulatedProvider> {
    const provider = await startProvider({ timeScale: 0, errorShare: 0, recordBodies: true, ...options });
    this.#providers.push(provider);
    return provider;
  }

  balancer(endpoints: EndpointConfig[], config: Partial<BalancerConfig> = {}): Balancer {
    const balancer = new Balancer({ endpoints, hedge: false, logger: false, ...config });
    this.#balancers.push(balancer);
    return balancer;
  }

  async close(): Promise<void> {
    await Promise.all(this.#balancers.splice(0).map((balancer) => balancer.close({ graceMs: 0 })));
    await Promise.all(this.#providers.splice(0).map((provider) => provider.close()));
  }
}

export function endpointAt({ url }: { url: string }, more: Partial<EndpointConfig> = {}): EndpointConfig {
  return { name: 'main', model: 'gpt-4o', baseURL: url, apiKey: 'sk-test', ...more };
}

export const HELLO = { model: 'gpt-4o', messages: [{ role: 'user', content: 'Where is my parcel?' }] };
