import type { EndpointConfig } from 'express-ai-balancer';
import {
  type FleetProcess,
  type ModelDescription,
  type RemoteProvider,
  startFleetProcess,
} from 'express-ai-balancer/simulator';
import type { Admission } from './observer';

/** A provider without limits that answers at once and never fails: what arrives is what was admitted. */
const UNLIMITED: ModelDescription = { ttftMs: 1, msPerOutputToken: 0, msPerPromptToken: 0 };

/** The simulated provider's models. */
const MODELS = ['gpt-4o', 'gpt-4o-mini'];

/** A simulated provider with the models 'gpt-4o' and 'gpt-4o-mini' in a separate process. */
export class ProviderProcess {
  readonly #fleet: FleetProcess;
  readonly provider: RemoteProvider;

  private constructor(fleet: FleetProcess) {
    this.#fleet = fleet;
    this.provider = fleet.provider('main');
  }

  /** @param model Limits and latency. Default: no limits, answers in about a millisecond. */
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

  /** An endpoint of the provider. Default: no limits. */
  endpoint(more: Partial<EndpointConfig> = {}): EndpointConfig {
    const { url: baseURL } = this.provider;
    return { name: 'main', model: 'gpt-4o', baseURL, apiKey: 'sk-test', tokensCharged: 'actual', ...more };
  }

  /** All chat requests in the order of arrival, 429s included, with the tokens that the member stated. */
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
