import { isObject, type JsonObject } from '../server/request-body';

/** Elements of a list that are objects; an empty list for any other value. */
export function objectsOf(list: unknown): JsonObject[] {
  return Array.isArray(list) ? list.filter(isObject) : [];
}

/**
 * The content of an OpenAI message. A single text is written as a string, so that a prompt has the same length, and so
 * the same number of tokens, in every format.
 */
export function contentOf(parts: readonly JsonObject[]): unknown {
  const [only] = parts;
  return parts.length === 1 && only?.type === 'text' ? only.text : parts;
}

/** A message of the model: its texts and the calls that it made. */
export function assistantMessage(parts: readonly JsonObject[], calls: readonly JsonObject[]): JsonObject {
  return {
    role: 'assistant',
    content: parts.length === 0 ? null : contentOf(parts),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

export function toolCall(id: unknown, name: unknown, input: unknown): JsonObject {
  return { id, type: 'function', function: { name, arguments: JSON.stringify(input ?? {}) } };
}

export function toolMessage(id: unknown, content: unknown): JsonObject {
  const text = typeof content === 'string' ? content : JSON.stringify(content ?? '');
  return { role: 'tool', tool_call_id: id, content: text };
}

export function functionTool(name: unknown, description: unknown, parameters: unknown): JsonObject {
  return {
    type: 'function',
    function: { name, ...(description !== undefined && { description }), parameters },
  };
}

/** The response format of JSON that matches a schema; of any JSON object without one. */
export function jsonFormat(schema: unknown): JsonObject {
  if (schema === undefined) return { type: 'json_object' };
  return { type: 'json_schema', json_schema: { name: 'answer', schema } };
}
