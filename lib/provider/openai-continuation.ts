import type { ChatBody } from '../call/body';

/** Providers that continue a last assistant message only where it says `prefix: true`. */
const NEEDS_PREFIX_FLAG = new Set(['mistral', 'deepseek']);

/**
 * The text so far as the last assistant message, which an endpoint with prefill continues. Undefined where the two
 * halves could not be joined reliably: tools, JSON, audio, several choices, or an answer that was itself prefilled.
 */
export function openaiContinuation(
  body: ChatBody,
  textSoFar: string,
  provider: string,
): ChatBody | undefined {
  const { messages, n, tools, response_format, functions, modalities } = body as ChatBody &
    Record<string, unknown>;
  if ((n ?? 1) !== 1 || isUsed(tools) || isUsed(functions) || isUsed(modalities)) return undefined;
  if (response_format && (response_format as { type?: unknown }).type !== 'text') return undefined;
  if (messages.at(-1)?.role === 'assistant') return undefined;
  const prefix = NEEDS_PREFIX_FLAG.has(provider) ? { prefix: true } : {};
  return { ...body, messages: [...messages, { role: 'assistant', content: textSoFar, ...prefix }] };
}

function isUsed(list: unknown): boolean {
  return Array.isArray(list) && list.length > 0 && !(list.length === 1 && list[0] === 'text');
}
