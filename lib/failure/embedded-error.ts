import { isObject } from '../util/is-object';
import { classOf, toFailureDetail } from './classify-answer';
import type { FailureDetail } from './detail';
import { readErrorBody } from './error-body';
import { impliedStatus } from './patterns';

/**
 * Whether a parsed answer, or a parsed event of a stream, is or holds an error. Recognised are an `error` at the top
 * (OpenAI, Azure, Anthropic, Gemini, which sends a list of one) or in a choice (OpenRouter), `object: 'error'` (vLLM)
 * and a `finish_reason` of 'error'.
 */
export function holdsError(value: unknown): boolean {
  const root = firstOf(value);
  if (!isObject(root)) return false;
  if (Boolean(root.error) || root.object === 'error') return true;
  return choicesOf(root).some((choice) => Boolean(choice.error) || choice.finish_reason === 'error');
}

/**
 * Classifies an error that came inside a successful response. Where it names the caller's fault or a limit it has that
 * class, so that a moderated prompt can't open a breaker; otherwise it is the upstream's fault, `server`.
 *
 * @param value the parsed body or event, or its text where it is not JSON
 */
export function classifyEmbeddedError(value: unknown): FailureDetail {
  const root = firstOf(value);
  const inChoice = isObject(root) ? choicesOf(root).find((choice) => Boolean(choice.error)) : undefined;
  const error = readErrorBody(isObject(root) && !root.error && inChoice ? inChoice : value);
  const status = impliedStatus(error);
  return toFailureDetail(classOf(status ?? 500, error), error, status === undefined ? {} : { status });
}

function firstOf(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : value;
}

function choicesOf(root: Record<string, unknown>): Record<string, unknown>[] {
  return Array.isArray(root.choices) ? root.choices.filter(isObject) : [];
}
