import type { Usage } from '../call/answer';
import { isObject } from '../util/is-object';

/**
 * The usage that a parsed answer or event reports, wherever the provider puts it; undefined if there is none, or if it
 * is nonsense: a count that is negative, not finite or not a number, or zero for both prompt and completion. In the
 * result every count is a non-negative integer, and no part exceeds its whole:
 *
 * - a total above prompt + completion includes reasoning that `completion_tokens` leaves out (xAI, Gemini): the
 *   difference counts as completion;
 * - cached tokens are read from `prompt_tokens_details`, DeepSeek's `prompt_cache_hit_tokens` or Moonshot's
 *   `cached_tokens`.
 */
export function readUsage(value: unknown): Usage | undefined {
  if (!isObject(value)) return undefined;
  const groq = value.x_groq;
  return toUsage(value.usage) ?? (isObject(groq) ? toUsage(groq.usage) : undefined);
}

function toUsage(value: unknown): Usage | undefined {
  if (!isObject(value)) return undefined;
  const prompt = toCount(value.prompt_tokens);
  const shown = toCount(value.completion_tokens ?? 0);
  if (prompt === undefined || shown === undefined || (prompt === 0 && shown === 0)) return undefined;
  const completion = Math.max(shown, (toCount(value.total_tokens) ?? 0) - prompt);
  const promptDetails = isObject(value.prompt_tokens_details) ? value.prompt_tokens_details : {};
  const completionDetails = isObject(value.completion_tokens_details) ? value.completion_tokens_details : {};
  const cached =
    toCount(promptDetails.cached_tokens) ??
    toCount(value.prompt_cache_hit_tokens) ??
    toCount(value.cached_tokens);
  const ofPrompt = known(prompt, {
    cached_tokens: cached,
    audio_tokens: toCount(promptDetails.audio_tokens),
  });
  const ofCompletion = known(completion, {
    reasoning_tokens: toCount(completionDetails.reasoning_tokens),
    audio_tokens: toCount(completionDetails.audio_tokens),
  });
  const details: Partial<Usage> = {};
  if (ofPrompt) details.prompt_tokens_details = ofPrompt;
  if (ofCompletion) details.completion_tokens_details = ofCompletion;
  return usageOf(details, prompt, completion);
}

/** Usage with these counts and the details of `details`. */
export function usageOf(details: Partial<Usage>, prompt: number, completion: number): Usage {
  return {
    ...details,
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
  };
}

/** The counts that are known, each limited to `most`; undefined if none is known. */
function known(
  most: number,
  counts: Readonly<Record<string, number | undefined>>,
): Record<string, number> | undefined {
  let found: Record<string, number> | undefined;
  for (const name of Object.keys(counts)) {
    const count = counts[name];
    if (count !== undefined) (found ??= {})[name] = Math.min(count, most);
  }
  return found;
}

function toCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
    ? Math.min(Math.ceil(value), Number.MAX_SAFE_INTEGER)
    : undefined;
}

/**
 * The whole usage: as reported, with estimates for what is missing. A completion of 0 counts as missing if something
 * was generated.
 */
export function completeUsage(
  reported: Usage | undefined,
  estimate: { readonly promptTokens: number; completionTokens(): number },
): Usage {
  if (reported && reported.completion_tokens > 0) return reported;
  const prompt = reported?.prompt_tokens ?? Math.ceil(estimate.promptTokens);
  return usageOf(reported ?? {}, prompt, Math.ceil(estimate.completionTokens()));
}

/** The usage of two parts of one answer together. */
export function addUsage(one: Usage, other: Usage | undefined): Usage {
  const prompt = one.prompt_tokens + (other?.prompt_tokens ?? 0);
  return usageOf({ ...one, ...other }, prompt, one.completion_tokens + (other?.completion_tokens ?? 0));
}
