import type { ChatBody } from '../call/body';

const CONTINUE_PROMPT =
  'The connection broke while you were writing the answer above. Go on exactly where it ends, with the very next ' +
  'character. Repeat nothing of it, do not begin anew, and do not mention the interruption.';

/**
 * Asks by an instruction: not every provider of OpenAI's wire goes on from an assistant's message. Undefined where the
 * two halves would not be sure to fit: tools, JSON, sound, several choices, or an answer that had a beginning already.
 */
export function openaiContinuation(body: ChatBody, textSoFar: string): ChatBody | undefined {
  const { messages, n, tools, response_format, functions, modalities } = body as ChatBody &
    Record<string, unknown>;
  if ((n ?? 1) !== 1 || isUsed(tools) || isUsed(functions) || isUsed(modalities)) return undefined;
  if (response_format && (response_format as { type?: unknown }).type !== 'text') return undefined;
  if (messages.at(-1)?.role === 'assistant') return undefined;
  return {
    ...body,
    messages: [
      ...messages,
      { role: 'assistant', content: textSoFar },
      { role: 'user', content: CONTINUE_PROMPT },
    ],
  };
}

function isUsed(list: unknown): boolean {
  return Array.isArray(list) && list.length > 0 && !(list.length === 1 && list[0] === 'text');
}
