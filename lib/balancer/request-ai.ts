import type { Request, Response } from 'express';
import { createApiFetch } from '../api/api-fetch';
import type { ApiCalls } from '../api/api-request';
import { type HeaderOptions, idempotencyKeyFrom, requestIdFrom } from '../api/option-headers';
import type { AICall } from '../call/ai-call';
import type { ApiOperation, ChatBody, EmbeddingBody, ResponseBody } from '../call/body';
import type { Call } from '../call/call';
import type { CallHooks } from '../call/call-hooks';
import type { CallOptions, RequestContext } from '../call/context';
import { LinkedAbort } from '../call/linked-abort';
import { AiBalancerError } from '../errors';
import type { RouteReport } from '../route-report';
import type { GuardedRequest } from '../tenant/guarded-request';
import { assignDefined } from '../util/defaults';
import type { Balancer } from './balancer';
import { INTERNALS } from './internals';

/**
 * `req.ai`: the balancer for one request. Its calls have the request's context and are aborted when the client
 * disconnects. They never throw synchronously; a failed call rejects with an `AiBalancerError`.
 */
export interface RequestAi extends Pick<Balancer, 'chat' | 'embeddings' | 'responses'> {
  /**
   * A `fetch` for OpenAI clients that serves their requests as calls of this request, without a network hop, such as
   * `new OpenAI({ baseURL: 'http://balancer/v1', apiKey: 'unused', fetch: req.ai.fetch })`. See `createFetch()`.
   */
  readonly fetch: typeof fetch;
  /** The context that the middlewares have set for the request so far. A call's own options override it. */
  readonly context: RequestContext;
  /** The balancer behind the calls. */
  readonly balancer: Balancer;
}

declare global {
  // Express's request can only be extended through its namespace.
  // eslint-disable-next-line @typescript-eslint/no-namespace
  namespace Express {
    interface Request {
      /** The balancer for this request. Present where `aiBalancer()` or one of its middlewares is mounted. */
      ai: RequestAi;
    }
  }
}

/** An Express request with `req.ai`, for code that wants to name the type. */
export type AiRequest = Request & {
  /** The balancer for this request. */
  ai: RequestAi;
};

/** Shared by every copy of this package in the process: the middlewares of one request may come from several. */
const STATE = Symbol.for('express-ai-balancer.request');
type RequestWithState = { [STATE]?: RequestState };

/** Returns the state of a request for this balancer. Creates it the first time, replacing that of another balancer. */
export function requestState(req: Request, balancer: Balancer): RequestState {
  const holder = req as Request & RequestWithState;
  const existing = holder[STATE];
  if (existing?.balancer === balancer) return existing;
  const state = new RequestState(req, balancer);
  holder[STATE] = state;
  req.ai = state.ai;
  return state;
}

/** The context, default options and guards that the middlewares set for one request, and the calls made with them. */
export class RequestState {
  readonly balancer: Balancer;
  readonly ai: RequestAi;
  readonly #request: Request;
  /** The request's `idempotency-key` header; undefined without one. */
  readonly #idempotencyKey: string | undefined;
  #callCount = 0;
  readonly #guards: GuardedRequest[] = [];
  #context: RequestContext;
  /**
   * Whether the type and the priority of the context were set by a middleware or a header, rather than being the
   * defaults.
   */
  #isTypeGiven = false;
  #isPriorityGiven = false;
  #defaults: CallOptions = {};
  #headerOptions: CallOptions = {};
  #fetch: typeof fetch | undefined;
  /**
   * Aborts the calls when the response closes before it is finished; undefined until the failover executor has bound
   * the request to its response, without which calls are refused.
   */
  #responseAbort: LinkedAbort | undefined;

  constructor(request: Request, balancer: Balancer) {
    this.balancer = balancer;
    this.#request = request;
    this.#context = { requestId: requestIdFrom(request.headers['x-request-id']), type: 'chat', priority: 3 };
    this.#idempotencyKey = idempotencyKeyFrom(request.headers['idempotency-key']);
    this.ai = new OwnRequestAi(this, (operation, body, options) => this.#call(operation, body, options));
  }

  get context(): RequestContext {
    return this.#context;
  }

  overrideContext(part: Partial<RequestContext>): void {
    const context = { ...this.#context };
    assignDefined(context, part);
    this.#context = context;
    this.#isTypeGiven ||= part.type !== undefined;
    this.#isPriorityGiven ||= part.priority !== undefined;
  }

  /** Sets the tenant and the priority, unless the context has them already. */
  setContextDefaults({ tenant, priority }: Pick<Partial<RequestContext>, 'tenant' | 'priority'>): void {
    this.#context = {
      ...(tenant === undefined ? {} : { tenant }),
      ...this.#context,
      ...(priority === undefined || this.#isPriorityGiven ? {} : { priority }),
    };
  }

  /** Adds options for every call of the request; a call's own options override them. */
  addDefaults(options: CallOptions): void {
    this.#defaults = { ...this.#defaults, ...options };
  }

  /** Applies options from the client's allowed headers. They override the defaults, even defaults added later. */
  applyHeaders({ context, options }: HeaderOptions): void {
    this.overrideContext(context);
    this.#headerOptions = { ...this.#headerOptions, ...options };
  }

  /** Adds a guard that must admit every call of the request. */
  addGuard(guard: GuardedRequest): void {
    this.#guards.push(guard);
  }

  /** Lets `req.ai` serve calls, and aborts them if the response closes before it is finished. */
  bindToResponse(res: Response): void {
    if (this.#responseAbort) return;
    const abort = new LinkedAbort();
    this.#responseAbort = abort;
    if (res.destroyed) {
      abort.abort();
      return;
    }
    // The request's 'close' event fires for every request. Only an unfinished response means that the client left.
    res.on('close', () => {
      if (!res.writableFinished) abort.abort();
    });
  }

  get fetch(): typeof fetch {
    return (this.#fetch ??= this.#createFetch());
  }

  /** Calls for OpenAI's clients, without restarts of streams: these clients would append the new answer to the old. */
  calls(options?: CallOptions): ApiCalls {
    return {
      chat: (body) => this.#call('chat', body, options, false),
      embeddings: (body) => this.#call('embeddings', body, options, false),
      responses: (body) => this.#call('responses', body, options, false),
    };
  }

  #createFetch(): typeof fetch {
    return createApiFetch({
      models: this.balancer,
      onStreamFailure: (error) => this.balancer[INTERNALS].reportPipeFailure(error, 'fetch'),
      calls: (_headers, signal) => ({
        requestId: this.#context.requestId,
        ...this.calls(signal && { signal }),
      }),
    });
  }

  #call(
    operation: ApiOperation,
    body: unknown,
    options: CallOptions | undefined,
    canRestart = true,
  ): AICall<never> {
    for (const guard of this.#guards) guard.identify();
    const isChecked = this.#guards.length > 0 || !this.#responseAbort;
    const hooks: CallHooks = {
      request: this.#request,
      signal: this.#responseAbort,
      canRestart,
      admit: isChecked ? (call) => this.#admit(call, options?.priority !== undefined) : undefined,
      onUsage: this.#onUsage,
    };
    const merged = this.#mergeOptions(options);
    return this.balancer[INTERNALS].call(operation, body, merged, hooks) as AICall<never>;
  }

  readonly #onUsage = (call: Call, route: RouteReport | undefined): void => {
    for (const guard of this.#guards) guard.onUsage(call, route);
  };

  async #admit(call: Call, isPriorityGiven: boolean): Promise<void> {
    if (!this.#responseAbort) throw notLiveError();
    for (const guard of this.#guards) await guard.identified();
    // Adds the tenant and the priority from the guards to the call, which was created before their asynchronous
    // functions had settled.
    const { tenant, priority } = this.#context;
    if (tenant !== undefined) call.context.tenant ??= tenant;
    if (!isPriorityGiven) call.context.priority = priority;
    for (const guard of this.#guards) await guard.admit(call);
  }

  #mergeOptions(own: CallOptions | undefined): CallOptions {
    // Invalid options are passed on unmerged, so that the call rejects with an error that names them.
    if (own !== undefined && (typeof own !== 'object' || (own as unknown) === null || Array.isArray(own))) {
      return own;
    }
    const merged: CallOptions = { requestId: this.#context.requestId, priority: this.#context.priority };
    const { type } = this.#context;
    assignDefined(merged, this.#context);
    // If no type was set, the classifier determines it.
    merged.type = this.#isTypeGiven ? type : undefined;
    // Each call gets its own key; a repeated request gets the same keys in the same order.
    const key = this.#idempotencyKey;
    if (key !== undefined) {
      const number = ++this.#callCount;
      merged.idempotencyKey = number === 1 ? key : `${key} ${number}`;
    }
    assignDefined(merged, this.#defaults);
    assignDefined(merged, this.#headerOptions);
    if (own) assignDefined(merged, own);
    return merged;
  }
}

/** A class, because V8 would give an object literal with getters a new hidden class for every request. */
class OwnRequestAi implements RequestAi {
  readonly chat: RequestAi['chat'];
  readonly embeddings: RequestAi['embeddings'];
  readonly responses: RequestAi['responses'];
  readonly balancer: Balancer;
  readonly #state: RequestState;

  constructor(
    state: RequestState,
    call: (operation: ApiOperation, body: unknown, options?: CallOptions) => AICall<never>,
  ) {
    this.#state = state;
    this.balancer = state.balancer;
    // Own function properties, so that apps can destructure them from `req.ai`.
    this.chat = (body: ChatBody, options?: CallOptions) => call('chat', body, options);
    this.embeddings = (body: EmbeddingBody, options?: CallOptions) => call('embeddings', body, options);
    this.responses = (body: ResponseBody, options?: CallOptions) => call('responses', body, options);
  }

  get fetch(): typeof fetch {
    return this.#state.fetch;
  }

  get context(): RequestContext {
    return this.#state.context;
  }
}

function notLiveError(): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_CONFIG',
    'req.ai is not live: mount failoverExecutor(balancer) before this route',
  );
}
