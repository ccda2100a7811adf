import type { ChatBody, EmbeddingBody } from '../call/body';
import type { RequestType } from '../call/context';
import {
  ANALYSIS_WORDS,
  CODE_FENCE,
  CODE_PATTERNS,
  CODE_TOOL,
  CODE_WORDS,
  CODING_SYSTEM,
  NON_PROGRAMMING_CODES,
} from './classify-words';

/** Characters read from the start and from the end of the last user message: the instruction is usually at one end. */
const FRONT = 3000;
const BACK = 1500;
/** Characters read of the system message, which often states the purpose of the application. */
const SYSTEM = 500;
/** Maximum number of tools that are examined. */
const TOOLS = 64;
/**
 * Length in characters from which a message counts as a document. A CJK character carries about as much as three
 * letters.
 */
const LONG_DOCUMENT = 6000;
const LONG_CJK_DOCUMENT = 2500;
/** Maximum number of parts of a message, and of messages from the end, that are examined. */
const PARTS = 32;
const MESSAGES = 50;

/**
 * Guesses the type of a request from its structure and from words in English, Korean, Chinese and Japanese: embedding
 * (an input instead of messages); code (fences, code, coding tools, programming terms); analysis (long documents,
 * "summarise", "compare" and similar words); otherwise chat. Reads a bounded part of the last user message, so it takes
 * microseconds for any body.
 */
export function classify(body: ChatBody | EmbeddingBody): RequestType {
  if (!('messages' in body)) return 'embedding';
  const { text, length } = lastUserText(body);
  if (CODE_FENCE.test(text) || CODE_PATTERNS.some((pattern) => pattern.test(text))) return 'code';
  if (hasCodeTool(body.tools)) return 'code';
  // "My coupon code" is not programming.
  if (CODE_WORDS.test(text.replace(NON_PROGRAMMING_CODES, ' '))) return 'code';
  if (ANALYSIS_WORDS.test(text) || length > documentLength(text)) return 'analysis';
  return CODING_SYSTEM.test(systemText(body)) ? 'code' : 'chat';
}

function documentLength(text: string): number {
  const sample = text.slice(0, 200);
  let dense = 0;
  for (const character of sample) if (character >= '\u2e80') dense++;
  return dense * 3 > sample.length ? LONG_CJK_DOCUMENT : LONG_DOCUMENT;
}

function lastUserText(body: ChatBody): { text: string; length: number } {
  const { messages } = body;
  const first = Math.max(0, messages.length - MESSAGES);
  for (let index = messages.length - 1; index >= first; index--) {
    const message = messages[index];
    if (message?.role === 'user') return frontAndBack(textsOf(message.content));
  }
  return { text: '', length: 0 };
}

function frontAndBack(texts: readonly string[]): { text: string; length: number } {
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  if (length <= FRONT + BACK) return { text: texts.join('\n'), length };
  const front = texts
    .map((text) => text.slice(0, FRONT))
    .join('\n')
    .slice(0, FRONT);
  const back = texts
    .map((text) => text.slice(-BACK))
    .join('\n')
    .slice(-BACK);
  return { text: `${front}\n${back}`, length };
}

function systemText(body: ChatBody): string {
  const first = body.messages[0];
  if (first?.role !== 'system' && first?.role !== 'developer') return '';
  return (textsOf(first.content)[0] ?? '').slice(0, SYSTEM);
}

function textsOf(content: unknown): string[] {
  if (typeof content === 'string') return [content];
  if (!Array.isArray(content)) return [];
  return content.slice(0, PARTS).flatMap((part: unknown) => {
    const text = (part as { text?: unknown } | null | undefined)?.text;
    return typeof text === 'string' ? [text] : [];
  });
}

function hasCodeTool(tools: unknown): boolean {
  if (!Array.isArray(tools)) return false;
  return tools.slice(0, TOOLS).some((tool: unknown) => {
    const name = (tool as { function?: { name?: unknown } } | null | undefined)?.function?.name;
    return typeof name === 'string' && name.length <= 64 && CODE_TOOL.test(name);
  });
}
