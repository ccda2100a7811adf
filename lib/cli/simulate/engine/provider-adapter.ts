import type { AxiosAdapter, AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import { AxiosError, AxiosHeaders } from 'axios';
import { type AnswerPlan, type ErrorPlan, rateLimitHeaders } from '../../../simulator/behavior';
import { ChunkStream } from './chunk-stream';
import type { VirtualProvider } from './virtual-provider';
import { answerText, chunkOf, closingOf, errorText } from './wire-text';
import type { WorkCall } from './workload';

/** Returns the base URL of a simulated provider. It is never resolved, because the adapter answers every request. */
export function virtualURL(index: number): string {
  return `http://endpoint-${index}.invalid/v1`;
}

/** The field of a request's `metadata` that holds the index of the call in the workload. */
export const CALL_FIELD = 'simulated_call';

/** Creates an axios adapter that passes each request to the simulated provider with its URL. */
export function providerAdapter(
  providers: readonly VirtualProvider[],
  calls: readonly WorkCall[],
): AxiosAdapter {
  return (config) => {
    const index = Number(/^http:\/\/endpoint-(\d+)\.invalid\//.exec(config.url ?? '')?.[1] ?? NaN);
    const provider = providers[index];
    const request = JSON.parse(String(config.data)) as Request;
    const call = calls[Number(request.metadata?.[CALL_FIELD] ?? NaN)];
    if (!provider || !call) throw new Error(`unexpected request to ${config.url}`);
    return exchange(provider, call, request.stream === true, config);
  };
}

interface Request {
  readonly stream?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
}

function exchange(
  provider: VirtualProvider,
  call: WorkCall,
  streamed: boolean,
  config: InternalAxiosRequestConfig,
): Promise<AxiosResponse> {
  return new Promise((resolve, reject) => {
    const signal = config.signal as AbortSignal | undefined;
    const body = new ChunkStream();
    let sent = 0;
    const abandon = provider.startAttempt(call, {
      failed: (plan) => resolve(response(config, plan.status, headersOf(plan), errorText(plan))),
      reset: () => reject(new AxiosError('socket hang up', 'ECONNRESET', config)),
      progress: (tokens, plan) => {
        if (!streamed) return;
        if (sent === 0) resolve(response(config, 200, headersOf(plan), body, 'text/event-stream'));
        body.push(chunkOf(provider.model, sent, tokens));
        sent = tokens;
      },
      finished: (plan) => {
        if (streamed) {
          if (sent === 0) resolve(response(config, 200, headersOf(plan), body, 'text/event-stream'));
          body.push(closingOf(provider.model, sent, plan));
          body.end();
        } else {
          resolve(response(config, 200, headersOf(plan), answerText(provider.model, plan)));
        }
      },
    });
    const onAbort = (): void => {
      abandon();
      body.end();
      reject(new AxiosError('canceled', AxiosError.ERR_CANCELED, config));
    };
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function headersOf(plan: AnswerPlan | ErrorPlan): Record<string, string> {
  const headers = rateLimitHeaders(plan.limits);
  if (plan.kind === 'error' && plan.retryAfterS !== undefined) {
    headers['retry-after'] = String(plan.retryAfterS);
  }
  return headers;
}

function response(
  config: InternalAxiosRequestConfig,
  status: number,
  headers: Record<string, string>,
  data: unknown,
  type = 'application/json',
): AxiosResponse {
  return {
    status,
    statusText: '',
    headers: new AxiosHeaders({ ...headers, 'content-type': type }),
    data,
    config,
  };
}
