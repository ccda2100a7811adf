import { isObject, type JsonObject } from '../server/request-body';
import { BadRequest } from '../server/wire';
import {
  assistantMessage,
  contentOf,
  functionTool,
  jsonFormat,
  objectsOf,
  toolCall,
  toolMessage,
} from './conversation';
import type { RequestHead } from './format';

/** Reads the body of the Messages API into OpenAI's. Throws a BadRequest with Anthropic's message if it is invalid. */
export function anthropicChatBody(body: JsonObject, { headers }: RequestHead): JsonObject {
  if (headers['anthropic-version'] === undefined)
    throw new BadRequest('anthropic-version: header is required');
  const { model, max_tokens: maxTokens, messages, metadata } = body;
  if (typeof model !== 'string' || model === '') throw new BadRequest('model: Field required');
  if (maxTokens == null) throw new BadRequest('max_tokens: Field required');
  if (typeof maxTokens !== 'number' || !Number.isInteger(maxTokens) || maxTokens < 1)
    throw new BadRequest('max_tokens: Input should be a valid integer greater than or equal to 1');
  if (!Array.isArray(messages)) throw new BadRequest('messages: Field required');
  if (messages.length === 0) throw new BadRequest('messages: at least one message is required');
  const turns = messages.flatMap((message: unknown, at) => messagesOf(message, at));
  const { output_config: output, tools } = body;
  const format = isObject(output) && isObject(output.format) ? output.format : undefined;
  return {
    model,
    max_tokens: maxTokens,
    messages: [...systemMessages(body.system), ...turns],
    ...(tools !== undefined && { tools: toolsOf(tools) }),
    ...(isObject(body.tool_choice) && { tool_choice: toolChoice(body.tool_choice) }),
    ...(format?.type === 'json_schema' && { response_format: jsonFormat(format.schema) }),
    ...(metadata !== undefined && { metadata }),
  };
}

function systemMessages(system: unknown): JsonObject[] {
  if (typeof system === 'string') return [{ role: 'system', content: system }];
  return objectsOf(system).map(({ text }) => ({ role: 'system', content: text }));
}

/** The messages that one message becomes: in OpenAI's format each tool result is a message of its own. */
function messagesOf(message: unknown, at: number): JsonObject[] {
  if (!isObject(message)) throw new BadRequest(`messages.${at}: Input should be an object`);
  const { role, content } = message;
  if (role !== 'user' && role !== 'assistant') {
    throw new BadRequest(
      `messages: Unexpected role "${String(role)}". The Messages API accepts a top-level \`system\` parameter, not "system" as an input message role.`,
    );
  }
  if (typeof content === 'string') return [{ role, content }];
  if (!Array.isArray(content)) throw new BadRequest(`messages.${at}.content: Field required`);
  const blocks = objectsOf(content);
  const parts = blocks
    .filter(({ type }) => type !== 'tool_use' && type !== 'tool_result')
    .map((block) => (block.type === 'text' ? { type: 'text', text: block.text } : block));
  if (role === 'assistant') {
    const calls = blocks.filter(({ type }) => type === 'tool_use');
    return [
      assistantMessage(
        parts,
        calls.map(({ id, name, input }) => toolCall(id, name, input)),
      ),
    ];
  }
  const results = blocks
    .filter(({ type }) => type === 'tool_result')
    .map((block) => toolMessage(block.tool_use_id, block.content));
  return parts.length > 0 ? [...results, { role, content: contentOf(parts) }] : results;
}

function toolsOf(tools: unknown): JsonObject[] {
  return objectsOf(tools).map(({ name, description, input_schema: schema }) =>
    functionTool(name, description, schema),
  );
}

function toolChoice({ type, name }: JsonObject): unknown {
  if (type === 'tool') return { type: 'function', function: { name } };
  return type === 'any' ? 'required' : type;
}
