import type { IncomingHttpHeaders } from 'node:http';
import { lognormal, type Random } from '../behavior';
import { isObject, type JsonObject } from './request-body';
import { exampleForSchema } from './schema-example';
import { textOf, tokensOfText } from './text';
import { BadRequest } from './wire';

/** A parsed chat request. */
export interface ChatRequest {
  model: string;
  stream: boolean;
  includeUsage: boolean;
  promptTokens: number;
  maxTokens?: number;
  /** Length of the answer in tokens if max_tokens doesn't cut it off. */
  outputTokens: number;
  content: Content;
}

/** The content of an answer: generated words of any length, a fixed text, or a tool call with JSON arguments. */
export type Content =
  | { kind: 'words' }
  | { kind: 'given'; text: string }
  | { kind: 'tool'; name: string; text: string; finish: 'tool_calls' | 'stop' };

/**
 * Returns the text of the answer to a request body, which is in OpenAI's format whichever format it came in; undefined
 * lets the simulator generate it.
 */
export type Reply = (body: Record<string, unknown>) => string | undefined;

// Approximates the published Azure conversation trace: median 129, p95 451 tokens.
const MEDIAN_OUTPUT = 129;
const OUTPUT_SPREAD = 0.76;
const MAX_OUTPUT = 1000;

/** Parses a chat request. Throws a BadRequest with OpenAI's error message if it is invalid. */
export function readChatRequest(
  body: JsonObject,
  headers: IncomingHttpHeaders,
  random: Random,
  reply: Reply | undefined,
): ChatRequest {
  const model = readModel(body);
  if (!Array.isArray(body.messages)) throw missingParameter('messages');
  if (body.messages.length === 0) {
    throw new BadRequest("Invalid 'messages': empty array. Expected an array with minimum length 1.", {
      code: 'empty_array',
      param: 'messages',
    });
  }
  const maxTokens = readMaxTokens(body);
  const content = contentOf(body, reply);
  const request: ChatRequest = {
    model,
    stream: body.stream === true,
    includeUsage: isObject(body.stream_options) && body.stream_options.include_usage === true,
    promptTokens: requestedTokens('prompt', body, headers) ?? promptTokensOf(body),
    outputTokens:
      content.kind === 'words'
        ? (requestedTokens('output', body, headers) ?? drawOutput(random))
        : Math.max(1, tokensOfText(content.text)),
    content,
  };
  if (maxTokens !== undefined) request.maxTokens = maxTokens;
  return request;
}

export function readModel(body: JsonObject): string {
  if (typeof body.model === 'string' && body.model !== '') return body.model;
  throw new BadRequest('you must provide a model parameter');
}

export function missingParameter(param: string): BadRequest {
  return new BadRequest(`Missing required parameter: '${param}'.`, {
    code: 'missing_required_parameter',
    param,
  });
}

/**
 * The length in tokens that a request specifies in a header (`x-simulate-output-tokens`) or, for clients behind a proxy
 * that drops headers, in the body (`metadata: { simulate_output_tokens: '120' }`); undefined if it specifies none.
 */
export function requestedTokens(
  what: 'prompt' | 'output',
  body: JsonObject,
  headers: IncomingHttpHeaders,
): number | undefined {
  const inBody = isObject(body.metadata) ? body.metadata[`simulate_${what}_tokens`] : undefined;
  const text = headers[`x-simulate-${what}-tokens`] ?? inBody;
  if (text === undefined) return undefined;
  const tokens = Number(text);
  if (Number.isInteger(tokens) && tokens >= 0 && tokens <= 1e7) return tokens;
  throw new BadRequest(`Expected a whole number of ${what} tokens to simulate.`);
}

/** The text of tokens `from` (inclusive) to `to` (exclusive) of an answer with `total` tokens. */
export function contentSlice(content: Content, from: number, to: number, total: number): string {
  if (content.kind === 'words') return textOf(from, to);
  const { text } = content;
  return text.slice(Math.round((from / total) * text.length), Math.round((to / total) * text.length));
}

function readMaxTokens(body: JsonObject): number | undefined {
  const param = body.max_completion_tokens == null ? 'max_tokens' : 'max_completion_tokens';
  const value = body[param];
  if (value == null) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1) return value;
  throw new BadRequest(`Invalid '${param}': expected an integer of 1 or more.`, {
    code: 'integer_below_min_value',
    param,
  });
}

function contentOf(body: JsonObject, reply: Reply | undefined): Content {
  const tool = forcedTool(body);
  if (tool) return tool;
  const text = reply?.(body);
  if (text !== undefined) return { kind: 'given', text };
  if (isObject(body.response_format)) {
    const { type, json_schema: named } = body.response_format;
    if (type === 'json_schema') {
      return {
        kind: 'given',
        text: JSON.stringify(exampleForSchema(isObject(named) ? named.schema : undefined)),
      };
    }
    if (type === 'json_object') return { kind: 'given', text: '{"answer":"text"}' };
  }
  return { kind: 'words' };
}

function forcedTool(body: JsonObject): Content | undefined {
  if (!Array.isArray(body.tools)) return undefined;
  const functions = body.tools
    .map((tool: unknown) => (isObject(tool) ? tool.function : undefined))
    .filter(isObject);
  const choice = body.tool_choice;
  const wanted = isObject(choice) && isObject(choice.function) ? choice.function.name : undefined;
  if (wanted === undefined && choice !== 'required') return undefined;
  const chosen = wanted === undefined ? functions[0] : functions.find(({ name }) => name === wanted);
  if (typeof chosen?.name !== 'string') {
    throw new BadRequest("Invalid value for 'tool_choice': no such function in 'tools'.", {
      param: 'tool_choice',
    });
  }
  return {
    kind: 'tool',
    name: chosen.name,
    text: JSON.stringify(exampleForSchema(chosen.parameters ?? { type: 'object' })),
    finish: wanted === undefined ? 'tool_calls' : 'stop',
  };
}

function promptTokensOf(body: JsonObject): number {
  return Math.max(1, tokensOfText(JSON.stringify(body.messages)));
}

function drawOutput(random: Random): number {
  const drawn = Math.round(MEDIAN_OUTPUT * lognormal(random, OUTPUT_SPREAD));
  return Math.min(MAX_OUTPUT, Math.max(1, drawn));
}
