import { randomUUID } from 'node:crypto';
import { callAppSync } from '../util/app-function';
import type { ChatBody, EmbeddingBody, Operation } from './body';
import type { Call, ResponseRequest } from './call';
import type { CallSignal } from './call-signal';
import { CONTEXT_CHECKS } from './check-options';
import type { CallOptions, RequestContext, RequestType } from './context';
import { type ExpectedOutput, estimatePromptTokens, outputLimits } from './tokens';

export interface PrepareParts {
  readonly classify: (body: ChatBody | EmbeddingBody, request: unknown) => RequestType;
  readonly estimateTokens: ((body: ChatBody | EmbeddingBody) => number) | undefined;
  readonly expectedOutput: ExpectedOutput;
  /** The longest answer that any endpoint can give, in tokens. */
  readonly maxOutputTokens: number;
  /** Longest deadline of a whole answer over all endpoints, in milliseconds. */
  readonly totalMs: Readonly<Record<Operation, number>>;
}

/**
 * The fields of a context, which are copied in this order: contexts of one hidden class take a quarter of the memory.
 */
const CONTEXT_FIELDS = Object.keys(CONTEXT_CHECKS) as (keyof RequestContext)[];

/** Builds a call from a body and options that have been checked. */
export function prepareCall(
  operation: Operation,
  body: ChatBody | EmbeddingBody,
  options: CallOptions,
  signal: CallSignal,
  parts: PrepareParts,
  request?: unknown,
  responses?: ResponseRequest,
): Call {
  const stream = operation === 'chat' && (body as ChatBody).stream === true;
  const context = contextOf(operation, body, options, parts, request);
  const model = body.model === undefined || body.model === 'auto' ? undefined : body.model;
  const promptTokens = promptTokensOf(body, options, parts);
  const { maxOutput } = outputLimits(body);
  const learned = (): number => parts.expectedOutput.expect(model ?? '', context.tenant, maxOutput);
  const expected = operation === 'embeddings' ? 0 : (options.estimatedOutputTokens ?? learned());
  const startedAt = performance.now();
  const total = stream ? Infinity : parts.totalMs[operation];
  const limit = Math.min(options.timeoutMs ?? Infinity, context.maxLatencyMs ?? Infinity, total);
  return {
    operation,
    body,
    responses,
    stream,
    model,
    context,
    promptTokens,
    expectedOutputTokens: Math.min(expected, maxOutput ?? Infinity, parts.maxOutputTokens),
    maxOutputTokens: operation === 'embeddings' ? 0 : maxOutput,
    startedAt,
    deadlineAt: startedAt + limit,
    signal,
    fallbacks: options.fallbacks === false ? [] : options.fallbacks,
    hedge: options.hedge ?? true,
    endpoint: options.endpoint,
    excluded: undefined,
  };
}

type Fields = Partial<Record<keyof RequestContext, unknown>>;

function contextOf(
  operation: Operation,
  body: ChatBody | EmbeddingBody,
  options: CallOptions,
  { classify }: PrepareParts,
  request: unknown,
): RequestContext {
  const context: RequestContext = {
    requestId: options.requestId ?? newRequestId(),
    type:
      options.type ??
      (operation === 'embeddings' ? 'embedding' : callAppSync('classify()', () => classify(body, request))),
    priority: options.priority ?? 3,
  };
  for (const field of CONTEXT_FIELDS)
    if (options[field] !== undefined) (context as Fields)[field] = options[field];
  return context;
}

function promptTokensOf(
  body: ChatBody | EmbeddingBody,
  { estimatedTokens, estimatedOutputTokens }: CallOptions,
  { estimateTokens }: PrepareParts,
): number {
  if (estimatedTokens !== undefined) return Math.max(1, estimatedTokens - (estimatedOutputTokens ?? 0));
  const estimate = estimateTokens
    ? callAppSync('estimateTokens()', () => estimateTokens(body))
    : estimatePromptTokens(body);
  // An invalid estimate of the app must not corrupt the quota.
  return Number.isFinite(estimate) && estimate >= 0 ? Math.ceil(estimate) : estimatePromptTokens(body);
}

/**
 * A UUID as a flat string: Node's is a rope of two dozen strings that takes half a kilobyte for as long as the call.
 */
function newRequestId(): string {
  return Buffer.from(randomUUID(), 'latin1').toString('latin1');
}
