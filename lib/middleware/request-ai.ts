// A type parameter on the body lets one typed by another package in, index signatures or not.
/* eslint-disable @typescript-eslint/no-unnecessary-type-parameters */
import { createHash, randomUUID } from 'node:crypto';
import type { Request, Response } from 'express';
import { type Balancer, CALL } from '../balancer/balancer';
import { type AICall, refusedCall } from '../call/ai-call';
import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { ChatBody, EmbeddingBody, Operation } from '../call/body';
import type { CallGate } from '../call/call-hooks';
import type { CallOptions, RequestContext } from '../call/context';
import { LinkedAbort } from '../call/linked-abort';
import { omitUndefined } from '../config/resolve-endpoint';
import { AiBalancerError } from '../errors';
import type { ChatStream } from '../stream/chat-stream';

/** What a handler finds at `req.ai`. */
export interface RequestAi {
  /** Answers an OpenAI chat request: whole, or with `stream: true` as an async iterable of chunks. */
  chat<B extends ChatBody & { stream?: false | null }>(
    body: B,
    options?: CallOptions,
  ): AICall<ChatCompletion>;
  chat<B extends ChatBody & { stream: true }>(body: B, options?: CallOptions): AICall<ChatStream>;
  chat<B extends ChatBody>(body: B, options?: CallOptions): AICall<ChatCompletion | ChatStream>;
  embeddings<B extends EmbeddingBody>(body: B, options?: CallOptions): AICall<EmbeddingResponse>;
  /** What is known of the request so far; a call's own options come over it. */
  readonly context: RequestContext;
  readonly balancer: Balancer;
}

declare global {
  // Express's request can be extended in no other way.
  // eslint-disable-next-line @typescript-eslint/no-namespace
  namespace Express {
    interface Request {
      /** The balanced AI of this request: there where `aiBalancer()` is mounted. */
      ai: RequestAi;
    }
  }
}

/** Express's request where `req.ai` is wanted by name. */
export type AiRequest = Request & { ai: RequestAi };

/** What the middlewares of one request work out together. */
export interface RequestState {
  readonly balancer: Balancer;
  readonly request: Request;
  readonly ai: RequestAi;
  context: RequestContext;
  /** The names in the context that were said, not worked out. */
  hasStatedType: boolean;
  hasStatedPriority: boolean;
  /** The guards', asked before each call. */
  hooks: CallGate | undefined;
  /** What is worked out when a call is made and no sooner, such as from `req.user`. May throw. */
  readonly beforeCall: (() => void)[];
  defaults: CallOptions;
  /** Aborts when the response closes; undefined until the failover executor has made `req.ai` live. */
  responseAbort: LinkedAbort | undefined;
}

/** Across copies of this package: its middlewares may come from several. */
const STATE = Symbol.for('express-ai-balancer.request');
type RequestWithState = { [STATE]?: RequestState };

/** The state of a request, made by whichever middleware comes first; another balancer starts anew. */
export function requestState(req: Request, balancer: Balancer): RequestState {
  const holder = req as Request & RequestWithState;
  const existing = holder[STATE];
  if (existing?.balancer === balancer) return existing;
  const state: RequestState = {
    balancer,
    request: req,
    context: { requestId: requestIdOf(req), type: 'chat', priority: 3 },
    hasStatedType: false,
    hasStatedPriority: false,
    beforeCall: [],
    hooks: undefined,
    defaults: {},
    responseAbort: undefined,
    ai: {} as RequestAi,
  };
  Object.assign(state, { ai: createRequestAi(state) });
  holder[STATE] = state;
  req.ai = state.ai;
  return state;
}

/** Lays a part over the request's context. */
export function overrideContext(state: RequestState, part: Partial<RequestContext>): void {
  state.context = { ...state.context, ...omitUndefined(part) };
  state.hasStatedType ||= part.type !== undefined;
  state.hasStatedPriority ||= part.priority !== undefined;
}

/** Lays a part under what was said of the request. */
export function setContextDefaults(
  state: RequestState,
  { tenant, priority }: Pick<Partial<RequestContext>, 'tenant' | 'priority'>,
): void {
  const { context, hasStatedPriority: saysPriority } = state;
  state.context = {
    ...(tenant === undefined ? {} : { tenant }),
    ...context,
    ...(priority === undefined || saysPriority ? {} : { priority }),
  };
}

/** Makes `req.ai` live and ties it to the response: when that closes unfinished, the calls are aborted. */
export function bindToResponse(state: RequestState, res: Response): void {
  if (state.responseAbort) return;
  const leaving = new LinkedAbort();
  state.responseAbort = leaving;
  // 'close' of the request comes with every request; that of the response, unfinished, only when the caller left.
  const onClose = (): void => {
    if (!res.writableFinished) leaving.abort();
  };
  if (res.destroyed) leaving.abort();
  else res.once('close', onClose);
}

function createRequestAi(state: RequestState): RequestAi {
  const { balancer } = state;
  const idempotencyKeys = generateIdempotencyKeys(state.request);
  const merged = (own: CallOptions | undefined): CallOptions => {
    // What can't be merged is refused by its name.
    if (own !== undefined && (typeof own !== 'object' || (own as unknown) === null || Array.isArray(own)))
      return own;
    const { type, ...context } = state.context;
    return {
      ...context,
      ...(state.hasStatedType ? { type } : {}),
      ...idempotencyKeys.next().value,
      ...state.defaults,
      ...omitUndefined(own),
    };
  };
  const run = (operation: Operation, body: unknown, own: CallOptions | undefined): AICall<never> => {
    const { responseAbort: leaving, hooks: gate } = state;
    if (!leaving) return refusedCall(notLiveError());
    try {
      for (const prepare of state.beforeCall) prepare();
    } catch (error) {
      return refusedCall(error);
    }
    const callGate = { ...gate, request: state.request, signal: leaving };
    return balancer[CALL](operation, body, merged(own), callGate) as AICall<never>;
  };
  return {
    chat: (body: ChatBody, own?: CallOptions) => run('chat', body, own),
    embeddings: (body: EmbeddingBody, own?: CallOptions) => run('embeddings', body, own),
    get context() {
      return state.context;
    },
    balancer,
  };
}

/** A key for each call of a request, from its header: the same ones, in their order, when the request comes again. */
function* generateIdempotencyKeys(req: Request): Generator<Pick<CallOptions, 'idempotencyKey'>, never> {
  const given = String(req.headers['idempotency-key'] ?? '');
  const key = given.length > 256 ? createHash('sha256').update(given).digest('hex') : given;
  for (let index = 1; ; index++)
    yield key === '' ? {} : { idempotencyKey: index === 1 ? key : `${key} ${index}` };
}

function notLiveError(): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_CONFIG',
    'req.ai is not live: mount failoverExecutor(balancer) before this route',
  );
}

/** The client's request id where it is a plain one, so that logs can be joined; else one of ours. */
function requestIdOf(req: Request): string {
  const given = req.headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
}
