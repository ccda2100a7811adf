import { type ApiFetchParts, createApiFetch } from '../api/api-fetch';
import { idempotencyKeyFrom, readOptionHeaders, requestIdFrom } from '../api/option-headers';
import type { Balancer } from '../balancer/balancer';
import { checkOptions } from '../balancer/check-options';
import { INTERNALS } from '../balancer/internals';
import type { CallHooks } from '../call/call-hooks';
import { checkContext } from '../call/check-options';
import type { CallOptions, RequestContext } from '../call/context';
import { type ContextHeader, fetchFaults } from '../config/middleware-options';
import { callAppSync } from '../util/app-function';
import { omitUndefined } from '../util/defaults';
import type { Optional } from '../util/optional';

/** Options of `createFetch()`. The call options are defaults, which allowed headers override. */
export interface CreateFetchOptions extends Pick<CallOptions, 'timeoutMs' | 'fallbacks' | 'hedge'> {
  /** The context of every call, such as its tenant, or a function that returns one for each call. Default: none. */
  context?: Optional<RequestContext> | (() => Optional<RequestContext>) | undefined;
  /**
   * The headers with which a client may set options of its calls, as for `smartRouter()`; they override `context`.
   * Clients send them with their option for default headers. Default false.
   */
  allowHeaders?: boolean | readonly ContextHeader[] | undefined;
}

/** Streams are not restarted, because OpenAI's clients would append the new answer to the old one. */
const HOOKS: CallHooks = { canRestart: false };

/**
 * Creates a `fetch` that serves OpenAI's API from the balancer in this process, without a network hop, for clients that
 * accept a custom fetch, such as `openai`, the AI SDK and LangChain.js. Only the end of the URL's path matters; the
 * base URL is ignored. Errors are responses as `aiGateway()` sends them; aborting a request rejects it and aborts its
 * call.
 *
 * @example new OpenAI({ baseURL: 'http://balancer/v1', apiKey: 'unused', fetch: createFetch(balancer) })
 *
 * @throws ERR_AI_CONFIG that lists every fault of the options.
 */
export function createFetch(balancer: Balancer, options: CreateFetchOptions = {}): typeof fetch {
  checkOptions('createFetch', balancer, fetchFaults(options));
  const { context: given, allowHeaders = false, ...rest } = options;
  const defaults = omitUndefined(rest);

  const calls: ApiFetchParts['calls'] = (headers, signal) => {
    const context = typeof given === 'function' ? callAppSync('context()', given) : given;
    if (context !== undefined) checkContext(context);
    const fromHeaders = readOptionHeaders((name) => headers.get(name), allowHeaders);
    const idempotencyKey = idempotencyKeyFrom(headers.get('idempotency-key'));
    const requestId = requestIdFrom(headers.get('x-request-id') ?? context?.requestId);
    const callOptions: CallOptions = {
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      ...defaults,
      ...context,
      ...fromHeaders.context,
      ...fromHeaders.options,
      requestId,
      ...(signal ? { signal } : {}),
    };
    const internals = balancer[INTERNALS];
    return {
      requestId,
      chat: (body) => internals.call('chat', body, callOptions, HOOKS) as never,
      embeddings: (body) => internals.call('embeddings', body, callOptions, HOOKS) as never,
      responses: (body) => internals.call('responses', body, callOptions, HOOKS) as never,
    };
  };
  const onStreamFailure = (error: unknown): void => balancer[INTERNALS].reportPipeFailure(error, 'fetch');
  return createApiFetch({ models: balancer, calls, onStreamFailure });
}
