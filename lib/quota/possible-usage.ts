import type { Usage } from '../call/answer';
import type { ChatBody } from '../call/body';
import type { Call } from '../call/call';
import { estimatePromptTokens } from '../call/tokens';
import { isObject } from '../util/is-object';

/** The prompt is at most this multiple of its estimate, plus this margin for what a provider adds to it. */
const PROMPT_FACTOR = 8;
const PROMPT_MARGIN = 1_000;

/** The limits of a model that bound what one call can use. */
export interface ModelLimits {
  readonly contextWindow: number;
  /** Output tokens of one choice. */
  readonly maxOutputTokens?: number | undefined;
}

/**
 * Clips reported usage at what the call could have used, so that no figure in an answer can put a quota into debt, fill a
 * budget or spoil what is learnt for other calls. Returns the same object if nothing is above its bound.
 */
export function clipUsage(usage: Usage, call: Call, limits: ModelLimits): Usage {
  const prompt = Math.min(usage.prompt_tokens, maxPromptTokens(usage.prompt_tokens, call, limits));
  const completion = Math.min(usage.completion_tokens, maxCompletionTokens(call, limits));
  const total = prompt + completion;
  const details = clipDetails(usage.prompt_tokens_details, prompt);
  const isPossible =
    prompt === usage.prompt_tokens &&
    completion === usage.completion_tokens &&
    usage.total_tokens <= total &&
    details === usage.prompt_tokens_details;
  if (isPossible) return usage;
  const { prompt_tokens_details: _reported, ...rest } = usage;
  return {
    ...rest,
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: total,
    ...(details ? { prompt_tokens_details: details } : {}),
  };
}

/** Cached tokens are part of the prompt. A figure that is none is dropped. */
function clipDetails(
  details: Usage['prompt_tokens_details'],
  prompt: number,
): Usage['prompt_tokens_details'] {
  if (!isObject(details) || details.cached_tokens === undefined) return details;
  const { cached_tokens: cached, ...rest } = details;
  if (typeof cached !== 'number' || !(cached >= 0)) return rest;
  return cached <= prompt ? details : { ...rest, cached_tokens: prompt };
}

function maxPromptTokens(reported: number, call: Call, { contextWindow }: ModelLimits): number {
  const bound = (estimate: number): number =>
    Math.min(contextWindow, PROMPT_FACTOR * estimate + PROMPT_MARGIN);
  if (reported <= bound(call.promptTokens)) return reported;
  // The estimate may be the caller's own, and too low on purpose.
  return bound(Math.max(call.promptTokens, estimatePromptTokens(call.body)));
}

function maxCompletionTokens(call: Call, { contextWindow, maxOutputTokens = Infinity }: ModelLimits): number {
  if (call.operation === 'embeddings') return 0;
  const { n } = call.body as ChatBody;
  const choices = typeof n === 'number' && n > 1 ? n : 1;
  return Math.min(call.maxOutputTokens ?? Infinity, choices * Math.min(maxOutputTokens, contextWindow));
}
