import type { BalancerConfig, EndpointConfig } from 'express-ai-balancer';
import { Balancer } from 'express-ai-balancer';
import { type ProviderOptions, type SimulatedProvider, startProvider } from 'express-ai-balancer/simulator';

/** Providers and balancers of a test file, closed after each test. */
export class Rig {
  readonly #providers: SimulatedProvider[] = [];
  readonly #balancers: Balancer[] = [];

  constructor() {
    afterEach(() => this.close());
  }

  /** A provider that answers at once and never fails by itself. */
  async provider(options: ProviderOptions = {}): Promise<SimulatedProvider> {
    const provider = await startProvider({ timeScale: 0, errorShare: 0, recordBodies: true, ...options });
    this.#providers.push(provider);
    return provider;
  }

  balancer(endpoints: EndpointConfig[], config: Partial<BalancerConfig> = {}): Balancer {
    const balancer = new Balancer({ endpoints, hedge: false, ...config });
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

/** Resolves when the condition holds; fails the test when it doesn't within two seconds. */
export async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries += 1) {
    if (tries === 400) throw new Error('it did not come about within two seconds');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What a promise rejects with; fails the test when it doesn't. */
export async function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('expected a rejection');
    },
    (error: unknown) => error,
  );
}
