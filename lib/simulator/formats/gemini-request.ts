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

/** Reads the body of generateContent into OpenAI's. Throws a BadRequest if it is invalid. */
export function geminiChatBody(body: JsonObject, head: RequestHead): JsonObject {
  if (head.method === 'streamGenerateContent' && head.query.get('alt') !== 'sse')
    throw new BadRequest('The simulator streams as server-sent events only: add ?alt=sse to the path.');
  const { contents, systemInstruction, generationConfig, toolConfig } = body;
  const messages = objectsOf(typeof contents === 'string' ? [{ parts: [{ text: contents }] }] : contents);
  if (messages.length === 0)
    throw new BadRequest('* GenerateContentRequest.contents: contents is not specified');
  const config = isObject(generationConfig) ? generationConfig : {};
  const calling =
    isObject(toolConfig) && isObject(toolConfig.functionCallingConfig)
      ? toolConfig.functionCallingConfig
      : {};
  const names = Array.isArray(calling.allowedFunctionNames)
    ? (calling.allowedFunctionNames as unknown[])
    : [];
  const tools = toolsOf(body.tools);
  return {
    model: head.model,
    messages: [...systemMessages(systemInstruction), ...messages.flatMap(messagesOf)],
    ...(config.maxOutputTokens !== undefined && { max_tokens: config.maxOutputTokens }),
    ...(tools.length > 0 && { tools }),
    ...(calling.mode === 'ANY' && {
      tool_choice:
        typeof names[0] === 'string' ? { type: 'function', function: { name: names[0] } } : 'required',
    }),
    ...(config.responseMimeType === 'application/json' && {
      response_format: jsonFormat(config.responseJsonSchema ?? lowerCaseTypes(config.responseSchema)),
    }),
  };
}

/** Reads the body of batchEmbedContents or embedContent into OpenAI's. */
export function geminiEmbeddingsBody(body: JsonObject, head: RequestHead): JsonObject {
  const requests = head.method === 'embedContent' ? [body] : objectsOf(body.requests);
  const input = requests.map(({ content }) =>
    isObject(content)
      ? objectsOf(content.parts)
          .map(({ text }) => (typeof text === 'string' ? text : ''))
          .join('')
      : '',
  );
  return { model: head.model, input, dimensions: requests[0]?.outputDimensionality };
}

function systemMessages(instruction: unknown): JsonObject[] {
  if (!isObject(instruction)) return [];
  return objectsOf(instruction.parts).map(({ text }) => ({ role: 'system', content: text }));
}

/** The messages that one content becomes: in OpenAI's format each function response is a message of its own. */
function messagesOf({ role, parts: given }: JsonObject): JsonObject[] {
  const all = objectsOf(given);
  const parts = all
    .filter((part) => !isObject(part.functionCall) && !isObject(part.functionResponse))
    .map((part) => (typeof part.text === 'string' ? { type: 'text', text: part.text } : part));
  if (role === 'model') {
    const calls = all
      .map((part) => part.functionCall)
      .filter(isObject)
      .map(({ id, name, args }) => toolCall(id ?? name, name, args));
    return [assistantMessage(parts, calls)];
  }
  const results = all
    .map((part) => part.functionResponse)
    .filter(isObject)
    .map(({ id, name, response }) => toolMessage(id ?? name, outputOf(response)));
  return parts.length > 0 ? [...results, { role: 'user', content: contentOf(parts) }] : results;
}

/** The documented field of a function's result is `output`; without it the whole response is the result. */
function outputOf(response: unknown): unknown {
  return isObject(response) && response.output !== undefined ? response.output : response;
}

function toolsOf(tools: unknown): JsonObject[] {
  return objectsOf(tools)
    .flatMap((tool) => objectsOf(tool.functionDeclarations))
    .map(({ name, description, parameters, parametersJsonSchema }) =>
      functionTool(name, description, parametersJsonSchema ?? lowerCaseTypes(parameters)),
    );
}

/** Converts a schema of Google's own kind, whose types are in upper case, to a JSON schema. */
function lowerCaseTypes(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(lowerCaseTypes);
  if (!isObject(schema)) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([name, value]) => [
      name,
      name === 'type' && typeof value === 'string' ? value.toLowerCase() : lowerCaseTypes(value),
    ]),
  );
}
