import { isObject } from '../util/is-object';
import { MAX_NESTING } from '../util/nesting';
import { classOf, toFailureDetail } from './classify-answer';
import type { FailureDetail } from './detail';
import { firstOf, looksLikeHtml, parseBody, readErrorBody } from './error-body';
import { type HttpAnswer, headerValue } from './http-answer';
import { impliedStatus } from './patterns';

/** What the answer to a call must contain. */
export type ExpectedAnswer =
  /** @param mayBeEmpty Whether an empty text is a valid answer, as with a stop sequence set by the caller. */
  | { readonly kind: 'chat'; readonly mayBeEmpty?: boolean }
  | { readonly kind: 'embeddings'; readonly inputs: number };

/**
 * Returns why the parsed body of a 2xx response is not a complete answer, or undefined if it is one. The body is in
 * OpenAI's format: other dialects have already translated it.
 * @param status HTTP status of the response.
 */
export function findAnswerFault(
  answer: unknown,
  expected: ExpectedAnswer,
  status: number,
): FailureDetail | undefined {
  if (holdsError(answer)) return toAnswerFault(classifyEmbeddedError(answer), status);
  if (!isObject(answer)) return badAnswer(status, 'invalid_json', 'The answer is not a JSON object');
  return expected.kind === 'chat'
    ? findChatFault(answer, expected.mayBeEmpty === true, status)
    : findEmbeddingsFault(answer, expected.inputs, status);
}

/**
 * Returns why the body of a 2xx response could not be read as an answer: it is empty, HTML, not JSON or truncated, or
 * it is an error in a format that the dialect doesn't know.
 */
export function classifyUnreadableAnswer({ status, headers, body }: HttpAnswer): FailureDetail {
  if (body.trim() === '') return badAnswer(status, 'empty_body', 'The answer is empty');
  if (looksLikeHtml(body)) return badAnswer(status, 'html_body', 'The answer is an HTML page');
  const parsed = parseBody(body);
  if (holdsError(parsed)) return toAnswerFault(classifyEmbeddedError(parsed), status);
  const type = headerValue(headers, 'content-type')?.split(';')[0] ?? 'unknown content type';
  return badAnswer(status, 'invalid_json', `The answer is not complete JSON (${type.slice(0, 60)})`);
}

/** The failure for an answer that is nested too deeply to be written as JSON. */
export function nestedAnswer(status: number): FailureDetail {
  return badAnswer(status, 'nested_too_deep', `The answer is nested deeper than ${MAX_NESTING} levels`);
}

/**
 * Whether an answer with this finish reason must have content. One that was cut off by `max_tokens` or by a content
 * filter may be empty.
 */
export function needsContent(finishReason: unknown): boolean {
  return (
    typeof finishReason !== 'string' ||
    /^(?:|stop|eos|eos_token|end_turn|tool_calls|function_call|null)$/i.test(finishReason)
  );
}

/**
 * Text fields of a message, or of a stream's delta, that count as content. Reasoning has two names: DeepSeek's, and
 * that of OpenRouter and Groq.
 */
export const TEXT_FIELDS: readonly string[] = ['content', 'refusal', 'reasoning_content', 'reasoning'];
const CONTENT_FIELDS = [
  ...TEXT_FIELDS,
  ...['tool_calls', 'function_call', 'audio', 'images', 'reasoning_details'],
];

/** Whether a message or delta has any content. */
export function holdsContent(message: Readonly<Record<string, unknown>>): boolean {
  return CONTENT_FIELDS.some((name) => {
    const value = message[name];
    return typeof value === 'object' && value !== null
      ? Object.keys(value).length > 0
      : typeof value === 'string' && value !== '';
  });
}

/**
 * Whether a parsed answer, or a parsed event of a stream, is or contains an error: an `error` at the top level (OpenAI,
 * Azure, Anthropic, and Gemini, which sends an array of one) or in a choice (OpenRouter), `object: 'error'` (vLLM), or
 * a `finish_reason` of 'error'.
 */
export function holdsError(value: unknown): boolean {
  const root = firstOf(value);
  if (!isObject(root)) return false;
  if (Boolean(root.error) || root.object === 'error') return true;
  return choicesOf(root).some((choice) => Boolean(choice.error) || choice.finish_reason === 'error');
}

/**
 * Classifies an error that came inside a successful response. If it states a fault of the caller or a limit, it gets
 * that class, so that a moderated prompt can't open a breaker. Otherwise it is the upstream's fault, `server`.
 * @param value The parsed body or event, or its text if it is not JSON.
 */
export function classifyEmbeddedError(value: unknown): FailureDetail {
  const root = firstOf(value);
  const inChoice = isObject(root) ? choicesOf(root).find((choice) => Boolean(choice.error)) : undefined;
  const error = readErrorBody(isObject(root) && !root.error && inChoice ? inChoice : value);
  const status = impliedStatus(error);
  return toFailureDetail(classOf(status ?? 500, error), error, { status });
}

function choicesOf(root: Record<string, unknown>): Record<string, unknown>[] {
  return Array.isArray(root.choices) ? root.choices.filter(isObject) : [];
}

/** Turns a fault of the upstream inside a 200 into `bad_answer`. A caller's fault or a limit keeps its class. */
function toAnswerFault(detail: FailureDetail, status: number): FailureDetail {
  const isUpstreamFault = ['server', 'timeout', 'connection'].includes(detail.class);
  return { ...detail, class: isUpstreamFault ? 'bad_answer' : detail.class, status: detail.status ?? status };
}

interface Choice {
  readonly finish_reason?: unknown;
  readonly message: Record<string, unknown>;
}

function findChatFault(
  answer: Record<string, unknown>,
  mayBeEmpty: boolean,
  status: number,
): FailureDetail | undefined {
  const { choices } = answer;
  if (!Array.isArray(choices) || !isObject(choices[0])) {
    const blocked = blockReason(answer);
    return blocked === undefined
      ? badAnswer(status, 'no_choices', 'The answer has no choices')
      : { status, class: 'content_policy', code: blocked, message: 'The prompt was blocked' };
  }
  const hasMessage = (choice: unknown): choice is Choice => isObject(choice) && isObject(choice.message);
  if (!choices.every(hasMessage))
    return badAnswer(status, 'no_message', 'The answer has a choice without a message');
  const isEmpty = choices.every(
    ({ finish_reason, message }) => needsContent(finish_reason) && !holdsContent(message),
  );
  if (!mayBeEmpty && isEmpty) return badAnswer(status, 'empty_answer', 'The answer has no content');
  return undefined;
}

/** The reason for which Gemini blocked a prompt, which it sends in place of candidates; undefined if there is none. */
function blockReason(answer: Record<string, unknown>): string | undefined {
  const feedback = answer.promptFeedback;
  const reason = isObject(feedback) ? feedback.blockReason : undefined;
  return typeof reason === 'string' ? reason.slice(0, 100) : undefined;
}

function findEmbeddingsFault(
  answer: Record<string, unknown>,
  inputs: number,
  status: number,
): FailureDetail | undefined {
  const { data } = answer;
  if (!Array.isArray(data) || data.length === 0 || !data.every(hasVector))
    return badAnswer(status, 'no_embeddings', 'The answer lacks embeddings');
  if (data.length !== inputs)
    return badAnswer(status, 'wrong_count', `The answer has ${data.length} embeddings for ${inputs} inputs`);
  const indices = new Set(data.map(({ index }, position) => index ?? position));
  if (indices.size !== inputs) return badAnswer(status, 'wrong_count', 'The answer has an input twice');
  if ([...indices].some((index) => !isIndex(index, inputs)))
    return badAnswer(status, 'wrong_index', 'The answer has an embedding for no input');
  const [first] = data as [Vector];
  if (!data.every(({ embedding }) => isLike(embedding, first.embedding)))
    return badAnswer(status, 'unequal_embeddings', 'The embeddings of the answer have unequal lengths');
  return undefined;
}

/** One embedding; a string with `encoding_format: 'base64'`. */
interface Vector {
  readonly index?: unknown;
  readonly embedding: string | readonly number[];
}

function hasVector(entry: unknown): entry is Vector {
  const vector = isObject(entry) ? entry.embedding : undefined;
  if (typeof vector === 'string') return BASE64_START.test(vector.slice(0, BASE64_CHECKED));
  return Array.isArray(vector) && vector.length > 0 && vector.every((value) => Number.isFinite(value));
}

/**
 * Number of leading characters that are checked: a vector has thousands of characters, and an answer may have thousands
 * of vectors.
 */
const BASE64_CHECKED = 64;
const BASE64_START = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** Whether two vectors have the same encoding and the same length. */
function isLike(vector: Vector['embedding'], other: Vector['embedding']): boolean {
  return typeof vector === typeof other && vector.length === other.length;
}

function isIndex(index: unknown, inputs: number): boolean {
  return Number.isInteger(index) && (index as number) >= 0 && (index as number) < inputs;
}

function badAnswer(status: number, code: string, message: string): FailureDetail {
  return { class: 'bad_answer', status, code, message };
}
