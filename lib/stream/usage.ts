import type { Usage } from '../call/answer';
import { isObject } from '../util/is-object';

/** The usage that a parsed answer or event reports, wherever the provider puts it. */
export function readUsage(value: unknown): Usage | undefined {
  if (!isObject(value)) return undefined;
  const groq = value.x_groq;
  return toUsage(value.usage) ?? (isObject(groq) ? toUsage(groq.usage) : undefined);
}

function toUsage(value: unknown): Usage | undefined {
  if (!isObject(value)) return undefined;
  const prompt = value.prompt_tokens;
  const completion = value.completion_tokens ?? 0;
  if (!isCount(prompt) || !isCount(completion)) return undefined;
  const total = value.total_tokens;
  return {
    ...(value as unknown as Usage),
    completion_tokens: completion,
    total_tokens: isCount(total) ? total : prompt + completion,
  };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

/** The sum of what two parts of one answer used. */
export function addUsage(one: Usage | undefined, other: Usage | undefined): Usage {
  const sum = (count: 'prompt_tokens' | 'completion_tokens' | 'total_tokens'): number =>
    (one?.[count] ?? 0) + (other?.[count] ?? 0);
  return {
    ...one,
    ...other,
    prompt_tokens: sum('prompt_tokens'),
    completion_tokens: sum('completion_tokens'),
    total_tokens: sum('total_tokens'),
  };
}
