import type { EndpointConfig } from 'express-ai-balancer';
import {
  type FleetProcess,
  type ModelDescription,
  type RemoteProvider,
  startFleetProcess,
} from 'express-ai-balancer/simulator';
import type { Admission } from './observer';

/** A provider without limits that answers at once and never fails by itself: what arrives is what we admitted. */
const UNLIMITED: ModelDescription = { ttftMs: 1, msPerOutputToken: 0, msPerPromptToken: 0 };

/** The simulated provider's models. */
const MODELS = ['gpt-4o', 'gpt-4o-mini'];

/** A simulated provider, with the models 'gpt-4o' and 'gpt-4o-mini', in a process of its own. */
export class ProviderProcess {
  readonly #fleet: FleetProcess;
  readonly provider: RemoteProvider;

  private constructor(fleet: FleetProcess) {
    this.#fleet = fleet;
    this.provider = fleet.provider('main');
  }

  /** @param model Limits and latency. Default: no limits, an answer in about a millisecond. */
  static async start(model: ModelDescription = {}): Promise<ProviderProcess> {
    const fleet = await startFleetProcess({
      providers: [
        {
          name: 'main',
          errorShare: 0,
          recordRequests: 100_000,
          recordBodies: true,
          models: Object.fromEntries(MODELS.map((name) => [name, { ...UNLIMITED, ...model }])),
        },
      ],
    });
    return new ProviderProcess(fleet);
  }

  get pid(): number {
    return this.#fleet.pid;
  }

  /** An endpoint of that provider. It has no limits unless given. */
  endpoint(more: Partial<EndpointConfig> = {}): EndpointConfig {
    const { url: baseURL } = this.provider;
    return { name: 'main', model: 'gpt-4o', baseURL, apiKey: 'sk-test', tokensCharged: 'actual', ...more };
  }

  /** Every chat request that has arrived, 429s included, in the order of arrival, with the tokens its member said. */
  async admissions(): Promise<Admission[]> {
    const requests = await this.provider.requests();
    return requests.map(({ at, body }) => {
      const { metadata = {}, model } = body as { metadata?: Record<string, string>; model: string };
      const { simulate_prompt_tokens: prompt = 0, simulate_output_tokens: output = 0 } = metadata;
      return { at, model, tokens: Number(prompt) + Number(output) };
    });
  }

  close(): Promise<void> {
    return this.#fleet.close();
  }
}
