import type { Usage } from '../call/answer';
import type { ChatBody } from '../call/body';
import type { Call } from '../call/call';
import { estimatePromptTokens } from '../call/tokens';
import { isObject } from '../util/is-object';

/**
 * Upper bound of reported prompt tokens: PROMPT_FACTOR times the estimate plus PROMPT_MARGIN for what a provider adds.
 */
const PROMPT_FACTOR = 8;
const PROMPT_MARGIN = 1_000;

/** Limits of a model that bound the usage of one call. */
export interface ModelLimits {
  readonly contextWindow: number;
  /** Most output tokens per choice. */
  readonly maxOutputTokens?: number | undefined;
}

/**
 * Caps reported usage at what the call could have used, so that no figure in an answer can put a quota into debt, use
 * up a budget or distort what is learnt for other calls. Returns the same object if every figure is within its bound.
 */
export function clipUsage(usage: Usage, call: Call, limits: ModelLimits): Usage {
  const prompt = Math.min(usage.prompt_tokens, maxPromptTokens(usage.prompt_tokens, call, limits));
  const completion = Math.min(usage.completion_tokens, maxCompletionTokens(call, limits));
  const total = prompt + completion;
  const promptDetails = clipDetails(usage.prompt_tokens_details, prompt);
  const completionDetails = clipDetails(usage.completion_tokens_details, completion);
  const isPossible =
    prompt === usage.prompt_tokens &&
    completion === usage.completion_tokens &&
    usage.total_tokens <= total &&
    promptDetails === usage.prompt_tokens_details &&
    completionDetails === usage.completion_tokens_details;
  if (isPossible) return usage;
  const { prompt_tokens_details: _prompt, completion_tokens_details: _completion, ...rest } = usage;
  return {
    ...rest,
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: total,
    ...(promptDetails ? { prompt_tokens_details: promptDetails } : {}),
    ...(completionDetails ? { completion_tokens_details: completionDetails } : {}),
  };
}

/** Caps each count in the details at `whole`. Drops negative counts and a `cached_tokens` that is not a number. */
function clipDetails<D extends object>(details: D | undefined, whole: number): D | undefined {
  if (!isObject(details)) return details;
  const parts = Object.entries(details);
  const isPossible = parts.every(([key, count]) =>
    typeof count === 'number' ? count >= 0 && count <= whole : key !== 'cached_tokens' || count === undefined,
  );
  if (isPossible) return details;
  const clipped = parts.flatMap(([key, count]) => {
    if (typeof count !== 'number') return key === 'cached_tokens' ? [] : [[key, count] as const];
    return count >= 0 ? [[key, Math.min(count, whole)] as const] : [];
  });
  return Object.fromEntries(clipped) as D;
}

function maxPromptTokens(reported: number, call: Call, { contextWindow }: ModelLimits): number {
  // The provider adds the part of the conversation that it stores, which the estimate from the body doesn't include.
  if (call.responses?.nativeOnly !== undefined) return contextWindow;
  const bound = (estimate: number): number =>
    Math.min(contextWindow, PROMPT_FACTOR * estimate + PROMPT_MARGIN);
  if (reported <= bound(call.promptTokens)) return reported;
  // The estimate may be the caller's own and deliberately too low.
  return bound(Math.max(call.promptTokens, estimatePromptTokens(call.body)));
}

function maxCompletionTokens(call: Call, { contextWindow, maxOutputTokens = Infinity }: ModelLimits): number {
  if (call.operation === 'embeddings') return 0;
  const { n } = call.body as ChatBody;
  const choices = typeof n === 'number' && n > 1 ? n : 1;
  return Math.min(call.maxOutputTokens ?? Infinity, choices * Math.min(maxOutputTokens, contextWindow));
}
