import { AiBalancerError, badRequest } from '../errors';
import type { EventSink } from '../stream/sse/event-sink';
import type { ApiCalls, ApiReply, ApiRequest } from './api-request';
import { toClientError } from './errors';
import { FetchEvents, jsonResponse } from './fetch-events';
import { errorHeaders } from './headers';
import type { ModelSource } from './models';
import { serveApi } from './serve-api';

/** Makes the calls of one fetch. */
export interface FetchCalls extends ApiCalls {
  readonly requestId: string;
}

export interface ApiFetchParts {
  readonly models: ModelSource;
  /** @throws ERR_AI_BAD_REQUEST for headers with invalid values. */
  calls(headers: Headers, signal: AbortSignal | undefined): FetchCalls;
  readonly onStreamFailure: (error: unknown) => void;
}

/** Matches the path of an API route at the end of a URL, after any base URL. */
const API_PATH = /^(.*?)(\/(?:chat\/completions|embeddings|responses|models(?:\/.+)?)\/?)$/i;

/**
 * Creates a `fetch` whose requests are served by the API in this process. It resolves to error responses as over HTTP,
 * and rejects only if the request is aborted.
 */
export function createApiFetch(parts: ApiFetchParts): typeof fetch {
  return function aiFetch(input, init) {
    return new Promise((resolve, reject) => {
      run(parts, new Request(input, init), signalOf(input, init), resolve, reject).catch(reject);
    });
  };
}

async function run(
  parts: ApiFetchParts,
  request: Request,
  signal: AbortSignal | undefined,
  resolve: (response: Response) => void,
  reject: (reason: unknown) => void,
): Promise<void> {
  signal?.throwIfAborted();
  const onAbort = (): void => reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const reply = new FetchReply(signal, (response) => {
    // A Response that is created here has no URL, but some clients log it.
    Object.defineProperty(response, 'url', { value: request.url });
    resolve(response);
  });
  try {
    const calls = parts.calls(request.headers, signal);
    reply.setHeader('x-request-id', calls.requestId);
    const { models, onStreamFailure } = parts;
    await serveApi({ calls, models, headerDelayMs: Infinity, onStreamFailure }, apiRequest(request), reply);
  } catch (error) {
    if (AiBalancerError.isInstance(error) && error.code === 'ERR_AI_ABORTED') {
      reject(new DOMException(error.message, 'AbortError'));
    } else reply.sendError(error);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/**
 * Returns the caller's signal. The signal of a Request that is built from the arguments would not do, because undici
 * drops the link between the two signals when the Request is garbage-collected.
 */
function signalOf(input: unknown, init: RequestInit | undefined): AbortSignal | undefined {
  if (init?.signal !== undefined) return init.signal ?? undefined;
  return input instanceof Request ? input.signal : undefined;
}

function apiRequest(request: Request): ApiRequest {
  const fullPath = new URL(request.url).pathname;
  return {
    method: request.method,
    path: API_PATH.exec(fullPath)?.[2] ?? fullPath,
    fullPath,
    readBody: async () => {
      const text = await request.text();
      try {
        return JSON.parse(text) as unknown;
      } catch {
        throw badRequest('body', 'not valid JSON');
      }
    },
  };
}

class FetchReply implements ApiReply {
  readonly #headers = new Headers();
  readonly #signal: AbortSignal | undefined;
  readonly #respond: (response: Response) => void;

  constructor(signal: AbortSignal | undefined, respond: (response: Response) => void) {
    this.#signal = signal;
    this.#respond = respond;
  }

  setHeader(name: string, value: string): void {
    this.#headers.set(name, value);
  }

  sendJson(status: number, headers: Readonly<Record<string, string>>, body: unknown): void {
    for (const [name, value] of Object.entries(headers)) this.#headers.set(name, value);
    this.#respond(jsonResponse(status, this.#headers, body));
  }

  openEvents(): EventSink {
    return new FetchEvents(this.#headers, this.#signal, this.#respond);
  }

  sendError(error: unknown): void {
    const known = toClientError(error) ?? new AiBalancerError('ERR_AI_CONFIG', 'The call failed.');
    this.sendJson(known.status, errorHeaders(known), known.toBody());
  }
}
