import { badRequest } from '../errors';
import { isObject } from '../util/is-object';
import { isNestedDeeper, MAX_NESTING } from '../util/nesting';
import type { ChatBody, EmbeddingBody, ResponseBody } from './body';
import * as check from './checks';

export { checkCallOptions, checkContext } from './check-options';

const PARSER_HINT =
  'if it is req.body: is express.json() mounted before the route, and is the content type JSON?';

const CHAT_FIELDS: check.Checks = {
  model: check.nonEmptyString,
  stream: check.nullable(check.boolean),
  stream_options: check.nullable(check.object),
  max_tokens: check.nullable(check.positiveInteger),
  max_completion_tokens: check.nullable(check.positiveInteger),
  n: check.nullable(check.positiveInteger),
  temperature: check.nullable(check.finiteNumber),
  tools: check.nullable(check.array),
  response_format: check.nullable(check.object),
};

const RESPONSE_FIELDS: check.Checks = {
  model: check.nonEmptyString,
  instructions: check.nullable(check.createCheck('a string', (value) => typeof value === 'string')),
  stream: check.nullable(check.boolean),
  max_output_tokens: check.nullable(check.positiveInteger),
  temperature: check.nullable(check.finiteNumber),
  tools: check.nullable(check.array),
  text: check.nullable(check.object),
  reasoning: check.nullable(check.object),
  store: check.nullable(check.boolean),
  previous_response_id: check.nullable(check.nonEmptyString),
};

const EMBEDDING_FIELDS: check.Checks = {
  dimensions: check.nullable(check.positiveInteger),
  encoding_format: check.nullable(
    check.createCheck("'float' or 'base64'", (value) => value === 'float' || value === 'base64'),
  ),
};

/**
 * Checks the fields of a chat body that the balancer reads. All others are left to the upstream.
 *
 * @throws ERR_AI_BAD_REQUEST (400) that names the invalid fields and quotes no text of the body.
 */
export function checkChatBody(body: unknown): asserts body is ChatBody {
  if (!isObject(body)) throw notABody('an OpenAI chat request such as { model, messages }', body);
  const { messages } = body;
  if (!Array.isArray(messages) || messages.length === 0) {
    const isEmpty = Object.keys(body).length === 0;
    const hint = isEmpty ? ` (the body is empty; ${PARSER_HINT})` : '';
    throw check.fieldError('messages', `an array with at least one message${hint}`, messages);
  }
  for (let index = 0; index < messages.length; index++) checkMessage(messages[index], index);
  check.checkFields(body, CHAT_FIELDS);
  checkNesting(body);
}

/**
 * Checks the fields of a Responses body that the balancer reads.
 *
 * @throws ERR_AI_BAD_REQUEST (400) that names the invalid fields and quotes no text of the body.
 */
export function checkResponseBody(body: unknown): asserts body is ResponseBody {
  if (!isObject(body)) throw check.fieldError('body', 'an OpenAI Responses request', body);
  const { input, previous_response_id, prompt, conversation } = body;
  // What the provider keeps can take the place of the input.
  const isKept = Boolean(previous_response_id ?? prompt ?? conversation);
  if (input === undefined || input === null ? !isKept : !isResponseInput(input)) {
    throw check.fieldError('input', 'a text, or an array of at least one item', input);
  }
  check.checkFields(body, RESPONSE_FIELDS);
  checkNesting(body);
}

function isResponseInput(input: unknown): boolean {
  return check.isNonEmptyString(input) || (Array.isArray(input) && input.length > 0 && input.every(isObject));
}

/**
 * Checks the fields of an embeddings body that the balancer reads. A model is required, because vectors of two models
 * can't be compared.
 *
 * @throws ERR_AI_BAD_REQUEST (400) that names the invalid fields and quotes no text of the body.
 */
export function checkEmbeddingBody(body: unknown): asserts body is EmbeddingBody {
  if (!isObject(body)) throw notABody('an OpenAI embeddings request such as { model, input }', body);
  if (!check.isNonEmptyString(body.model) || body.model === 'auto') {
    throw check.fieldError(
      'model',
      "a model's name, not 'auto': vectors of two models can't be compared",
      body.model,
    );
  }
  if (!isInput(body.input)) {
    throw check.fieldError(
      'input',
      'a text, an array of texts, token ids, or an array of token ids',
      body.input,
    );
  }
  check.checkFields(body, EMBEDDING_FIELDS);
  checkNesting(body);
}

function notABody(expected: string, body: unknown): Error {
  const hint = body === undefined ? ` (${PARSER_HINT})` : '';
  return check.fieldError('body', expected + hint, body);
}

/**
 * Rejects a body that is nested too deeply. JSON.parse accepts any depth, but JSON.stringify is recursive and would
 * fail.
 */
function checkNesting(body: object): void {
  for (const [field, value] of Object.entries(body)) {
    if (isNestedDeeper(value, MAX_NESTING)) {
      throw badRequest(field.slice(0, 64), `nested deeper than ${MAX_NESTING} levels`);
    }
  }
}

function checkMessage(message: unknown, index: number): void {
  if (!isObject(message)) throw check.fieldError(`messages[${index}]`, 'an object with a role', message);
  if (!check.isNonEmptyString(message.role))
    throw check.fieldError(`messages[${index}].role`, 'a string', message.role);
  const { content } = message;
  if (content === undefined || content === null || typeof content === 'string' || Array.isArray(content))
    return;
  throw check.fieldError(`messages[${index}].content`, 'a string, an array of parts, or null', content);
}

function isInput(input: unknown): boolean {
  if (check.isNonEmptyString(input)) return true;
  if (!Array.isArray(input) || input.length === 0) return false;
  if (typeof input[0] === 'string') return input.every(check.isNonEmptyString);
  if (Array.isArray(input[0]))
    return input.every((ids) => Array.isArray(ids) && ids.length > 0 && ids.every(isTokenId));
  return input.every(isTokenId);
}

function isTokenId(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
