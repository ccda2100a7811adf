import type { AxiosAdapter, AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import {
  type ModelDescription,
  ProviderBehavior,
  rateLimitHeaders,
  seededRandom,
} from '../../lib/simulator/behavior';
import { Observer } from './observer';

/** What a call really takes, told to the simulated upstream in the body's metadata. */
export interface RealTokens {
  readonly prompt: number;
  readonly output: number;
}

export interface UpstreamOptions {
  readonly model: string;
  readonly description: ModelDescription;
  readonly seed?: number;
}

/** The simulator's laws in place of a network: an axios adapter on the timers of a process whose clock is held. */
export class VirtualUpstream {
  readonly seen = new Observer();
  /** Calls refused for our own doing: the provider's bucket was empty. */
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

  /** A call of another process on the same key. */
  takeExternally(real: RealTokens, maxTokens?: number): void {
    const activeCall = this.#arrive(real, maxTokens);
    const { plan } = activeCall;
    if (plan.kind !== 'answer') this.refusedExternal++;
    const ms = plan.kind === 'answer' ? plan.totalMs : 0;
    setTimeout(() => this.#behavior.finish(activeCall, performance.now()), ms);
  }

  #arrive({ prompt, output }: RealTokens, maxTokens: number | undefined) {
    const call = { model: this.#model, promptTokens: prompt, outputTokens: output };
    return this.#behavior.admit(maxTokens === undefined ? call : { ...call, maxTokens }, performance.now());
  }

  #exchange(
    real: RealTokens,
    maxTokens: number | undefined,
    config: InternalAxiosRequestConfig,
  ): Promise<AxiosResponse> {
    const activeCall = this.#arrive(real, maxTokens);
    const { plan } = activeCall;
    return new Promise((resolve) => {
      if (plan.kind === 'answer') {
        this.seen.admit(performance.now(), real.prompt + Math.min(real.output, maxTokens ?? Infinity));
        setTimeout(() => {
          this.#behavior.finish(activeCall, performance.now());
          resolve(answer(config, 200, rateLimitHeaders(plan.limits), chatAnswer(real)));
        }, plan.totalMs);
      } else if (plan.kind === 'error') {
        if (plan.status === 429) this.refused++;
        setTimeout(() => {
          this.#behavior.finish(activeCall, performance.now());
          const headers = rateLimitHeaders(plan.limits);
          if (plan.retryAfterS !== undefined) headers['retry-after'] = String(plan.retryAfterS);
          const { message, type, code } = plan;
          resolve(answer(config, plan.status, headers, { error: { message, type, code } }));
        }, plan.afterMs);
      }
    });
  }
}

function chatAnswer({ prompt, output }: RealTokens): object {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-4o',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: prompt, completion_tokens: output, total_tokens: prompt + output },
  };
}

function answer(
  config: InternalAxiosRequestConfig,
  status: number,
  headers: Record<string, string>,
  data: object,
): AxiosResponse {
  return {
    status,
    statusText: '',
    headers: { 'content-type': 'application/json', ...headers },
    data: JSON.stringify(data),
    config,
  };
}
