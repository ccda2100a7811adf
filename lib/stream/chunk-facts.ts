import type { ChatCompletionChunk, Usage } from '../call/answer';

/** What a balancer must know of one event of a streamed answer. */
export interface ChunkFacts {
  /** Whether it brings a part of the answer: text, a piece of a tool call, a refusal, reasoning. A role is not. */
  readonly hasContent: boolean;
  /** The choices it mentions. */
  readonly seenChoices: readonly number[];
  /** The choices it ends. */
  readonly finishedChoices: readonly number[];
  readonly usage: Usage | undefined;
  /** The text it adds to the first choice. */
  readonly text: string;
  /** All that was generated, of every choice: text, reasoning, refusals, the arguments of tools. */
  readonly generated: string;
}

type Fields = Record<string, unknown>;

/** Parts of a delta that are plain text. Two names are in use for reasoning (DeepSeek's, and OpenRouter's and Groq's). */
export const TEXT_FIELDS: readonly string[] = ['content', 'refusal', 'reasoning_content', 'reasoning'];
/** Parts of a delta that are content if there is anything in them. */
const OTHER_CONTENT = ['audio', 'images', 'reasoning_details'] as const;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a parsed event has the form of a chunk. */
export function isChunk(value: unknown): value is ChatCompletionChunk {
  return isFields(value) && Array.isArray(value['choices']) && value['choices'].every(isFields);
}

/** Whether a parsed event is an error in place of an answer. Gemini sends a list of one. */
export function isError(value: unknown): boolean {
  const root: unknown = Array.isArray(value) ? value[0] : value;
  if (!isFields(root)) return false;
  const error = root['error'];
  if (isFields(error) || (typeof error === 'string' && error !== '')) return true;
  if (root['object'] === 'error') return true;
  const choices = root['choices'];
  return Array.isArray(choices) && choices.some((c) => isFields(c) && c['finish_reason'] === 'error');
}

export function readFacts(chunk: ChatCompletionChunk): ChunkFacts {
  const seenChoices: number[] = [];
  const finishedChoices: number[] = [];
  let hasContent = false;
  let text = '';
  let generated = '';
  for (const [position, choice] of (chunk.choices as readonly Fields[]).entries()) {
    const index = typeof choice['index'] === 'number' ? choice['index'] : position;
    seenChoices.push(index);
    if (typeof choice['finish_reason'] === 'string' && choice['finish_reason'] !== '')
      finishedChoices.push(index);
    const delta = choice['delta'];
    if (!isFields(delta)) continue;
    const added = textsOf(delta).join('');
    generated += added;
    hasContent ||= added !== '' || hasOtherContent(delta);
    if (index === 0 && typeof delta['content'] === 'string') text += delta['content'];
  }
  return {
    hasContent: hasContent,
    seenChoices: seenChoices,
    finishedChoices: finishedChoices,
    usage: usageIn(chunk),
    text,
    generated,
  };
}

/** The usage that a parsed event reports, wherever the provider puts it. */
export function usageIn(value: unknown): Usage | undefined {
  if (!isFields(value)) return undefined;
  const groq = value['x_groq'];
  return toUsage(value['usage']) ?? (isFields(groq) ? toUsage(groq['usage']) : undefined);
}

function toUsage(value: unknown): Usage | undefined {
  if (!isFields(value)) return undefined;
  const prompt = value['prompt_tokens'];
  const completion = value['completion_tokens'] ?? 0;
  if (!isCount(prompt) || !isCount(completion)) return undefined;
  const total = value['total_tokens'];
  return {
    ...(value as unknown as Usage),
    completion_tokens: completion,
    total_tokens: isCount(total) ? total : prompt + completion,
  };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

/** In the order of the wire, so that reading them from the bytes gives the same. */
function textsOf(delta: Fields): string[] {
  const texts: unknown[] = [];
  for (const [name, value] of Object.entries(delta)) {
    if (TEXT_FIELDS.includes(name)) texts.push(value);
    else if (name === 'function_call') texts.push(...functionTexts(value));
    else if (name === 'tool_calls' && Array.isArray(value)) {
      for (const call of value as unknown[])
        if (isFields(call)) texts.push(...functionTexts(call['function']));
    }
  }
  return texts.filter((text) => typeof text === 'string');
}

function functionTexts(called: unknown): unknown[] {
  return isFields(called) ? [called['name'], called['arguments']] : [];
}

function hasOtherContent(delta: Fields): boolean {
  const parts = delta['content'];
  if (Array.isArray(parts) && parts.length > 0) return true;
  if (Array.isArray(delta['tool_calls']) && delta['tool_calls'].length > 0) return true;
  if (isFields(delta['function_call'])) return true;
  return OTHER_CONTENT.some((name) => {
    const value = delta[name];
    return typeof value === 'object' && value !== null && Object.keys(value).length > 0;
  });
}
