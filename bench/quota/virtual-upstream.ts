import type { AxiosAdapter, AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import { answerText, errorText } from '../../lib/cli/simulate/engine/wire-text';
import {
  type ModelDescription,
  ProviderBehavior,
  rateLimitHeaders,
  seededRandom,
} from '../../lib/simulator/behavior';
import { Observer } from './observer';

/** The real usage of a call, passed to the simulated upstream in the body's metadata. */
export interface RealTokens {
  readonly prompt: number;
  readonly output: number;
}

export interface UpstreamOptions {
  readonly model: string;
  readonly description: ModelDescription;
  readonly seed?: number;
}

/** An axios adapter over ProviderBehavior, for a process on virtual time. */
export class VirtualUpstream {
  readonly seen = new Observer();
  /** The balancer's calls that were refused because the provider's bucket was empty. */
  refused = 0;
  refusedExternal = 0;
  attempts = 0;
  readonly #model: string;
  readonly #behavior: ProviderBehavior;

  constructor({ model, description, seed = 1 }: UpstreamOptions) {
    this.#model = model;
    this.#behavior = new ProviderBehavior({
      models: { [model]: description },
      errorShare: 0,
      random: seededRandom(seed),
    });
  }

  readonly adapter: AxiosAdapter = (config) => {
    const body = JSON.parse(String(config.data)) as { max_tokens?: number; metadata: Record<string, string> };
    const real = { prompt: Number(body.metadata.prompt), output: Number(body.metadata.output) };
    this.attempts++;
    return this.#exchange(real, body.max_tokens, config);
  };

  /** Simulates a call of another process on the same key. */
  takeExternally(real: RealTokens, maxTokens?: number): void {
    const activeCall = this.#admit(real, maxTokens);
    const { plan } = activeCall;
    if (plan.kind !== 'answer') this.refusedExternal++;
    const ms = plan.kind === 'answer' ? plan.totalMs : 0;
    setTimeout(() => this.#behavior.finish(activeCall, performance.now()), ms);
  }

  #admit({ prompt, output }: RealTokens, maxTokens: number | undefined) {
    const call = { model: this.#model, promptTokens: prompt, outputTokens: output };
    return this.#behavior.admit(maxTokens === undefined ? call : { ...call, maxTokens }, performance.now());
  }

  #exchange(
    real: RealTokens,
    maxTokens: number | undefined,
    config: InternalAxiosRequestConfig,
  ): Promise<AxiosResponse> {
    const activeCall = this.#admit(real, maxTokens);
    const { plan } = activeCall;
    return new Promise((resolve) => {
      if (plan.kind === 'answer') {
        this.seen.admit(performance.now(), real.prompt + Math.min(real.output, maxTokens ?? Infinity));
        setTimeout(() => {
          this.#behavior.finish(activeCall, performance.now());
          resolve(answer(config, 200, rateLimitHeaders(plan.limits), answerText(this.#model, plan)));
        }, plan.totalMs);
      } else if (plan.kind === 'error') {
        if (plan.status === 429) this.refused++;
        setTimeout(() => {
          this.#behavior.finish(activeCall, performance.now());
          const headers = rateLimitHeaders(plan.limits);
          if (plan.retryAfterS !== undefined) headers['retry-after'] = String(plan.retryAfterS);
          resolve(answer(config, plan.status, headers, errorText(plan)));
        }, plan.afterMs);
      }
    });
  }
}

function answer(
  config: InternalAxiosRequestConfig,
  status: number,
  headers: Record<string, string>,
  data: string,
): AxiosResponse {
  return {
    status,
    statusText: '',
    headers: { 'content-type': 'application/json', ...headers },
    data,
    config,
  };
}
