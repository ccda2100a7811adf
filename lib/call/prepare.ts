import type { ChatBody, EmbeddingBody, Operation } from './body';
import type { Call } from './call';
import type { CallSignal } from './call-signal';
import type { CallOptions, RequestContext, RequestType } from './context';
import { newRequestId } from './request-id';
import { type ExpectedOutput, estimatePromptTokens, outputLimits } from './tokens';

export interface PrepareParts {
  readonly classify: (body: ChatBody | EmbeddingBody, request: unknown) => RequestType;
  readonly estimateTokens: ((body: ChatBody | EmbeddingBody) => number) | undefined;
  readonly expectedOutput: ExpectedOutput;
  /** The longest a whole answer may take, in milliseconds. */
  readonly totalMs: Readonly<Record<Operation, number>>;
}

/** What a call may need besides. Copied one by one: contexts of one shape are a quarter of the size. */
const OPTIONAL_FIELDS = [
  'maxLatencyMs',
  'maxCostPer1k',
  'minQuality',
  'estimatedTokens',
  'estimatedOutputTokens',
  'tenant',
  'session',
  'tags',
] as const satisfies readonly (keyof RequestContext)[];

/** Works out everything that is known of a call before it is sent. The body and the options have been checked. */
export function prepareCall(
  operation: Operation,
  body: ChatBody | EmbeddingBody,
  options: CallOptions,
  signal: CallSignal,
  parts: PrepareParts,
  request?: unknown,
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
    stream,
    model,
    context,
    promptTokens,
    expectedOutputTokens: Math.min(expected, maxOutput ?? Infinity),
    maxOutputTokens: operation === 'embeddings' ? 0 : maxOutput,
    startedAt,
    deadlineAt: startedAt + limit,
    signal,
    fallbacks: options.fallbacks === false ? [] : options.fallbacks,
    hedge: options.hedge ?? true,
    endpoint: options.endpoint,
  };
}

function contextOf(
  operation: Operation,
  body: ChatBody | EmbeddingBody,
  options: CallOptions,
  { classify }: PrepareParts,
  request: unknown,
): RequestContext {
  const context: RequestContext = {
    requestId: options.requestId ?? newRequestId(),
    type: options.type ?? (operation === 'embeddings' ? 'embedding' : classify(body, request)),
    priority: options.priority ?? 3,
  };
  for (const field of OPTIONAL_FIELDS) {
    if (options[field] !== undefined) Object.assign(context, { [field]: options[field] });
  }
  return context;
}

function promptTokensOf(
  body: ChatBody | EmbeddingBody,
  { estimatedTokens, estimatedOutputTokens }: CallOptions,
  { estimateTokens }: PrepareParts,
): number {
  if (estimatedTokens !== undefined) return Math.max(1, estimatedTokens - (estimatedOutputTokens ?? 0));
  const estimate = (estimateTokens ?? estimatePromptTokens)(body);
  // An estimate of the app's own that is no number must not poison the quota.
  return Number.isFinite(estimate) && estimate >= 0 ? Math.ceil(estimate) : estimatePromptTokens(body);
}
