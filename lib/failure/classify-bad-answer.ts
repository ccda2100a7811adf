import { classOf, type HttpAnswer, toFailureDetail } from './classify-answer';
import { detailOf, type FailureDetail } from './detail';
import { looksLikeHtml, parseJson, readErrorBody } from './error-body';
import { headerValue, type ResponseHeaders } from './headers';
import { impliedStatus } from './patterns';

/** What a sound answer must hold. */
export type AnswerKind = 'chat' | 'embeddings';

/** A success as the transport has it; `body` as text, or already parsed. */
export interface SuccessAnswer {
  status: number;
  headers?: ResponseHeaders;
  body: unknown;
}

/**
 * Why a 2xx is not an answer, or undefined where it is one: HTML, broken or cut JSON, an error object, no choices, no
 * embeddings. A truncated answer is never success. The body is in the OpenAI shape, after the dialect's translation.
 */
export function classifyBadAnswer(
  answer: SuccessAnswer,
  kind: AnswerKind = 'chat',
): FailureDetail | undefined {
  const headers = answer.headers ?? {};
  let body = answer.body;
  if (typeof body === 'string') {
    if (body.trim() === '') return badAnswerDetail(answer, 'empty_body', 'The answer is empty');
    if (looksLikeHtml(body)) return badAnswerDetail(answer, 'html_body', 'The answer is an HTML page');
    const parsed = parseAnswer(body);
    if (parsed === undefined) {
      const kind = headerValue(headers, 'content-type')?.split(';')[0] ?? 'unknown content type';
      return badAnswerDetail(answer, 'invalid_json', `The answer is not whole JSON (${kind.slice(0, 60)})`);
    }
    body = parsed;
  }
  if (typeof body !== 'object' || body === null)
    return badAnswerDetail(answer, 'invalid_json', 'The answer is not a JSON object');
  if (Array.isArray(body) || ('error' in body && Boolean(body.error)))
    return classifyErrorInSuccess(answer, body);
  return kind === 'chat' ? checkChoices(answer, body) : checkEmbeddings(answer, body);
}

/**
 * An error object under a 200. Where it names a caller's fault or a limit it is that, so that a moderated prompt can't
 * trip the breaker; otherwise it is a bad answer.
 */
function classifyErrorInSuccess(answer: SuccessAnswer, body: object): FailureDetail {
  const error = readErrorBody(body);
  const status = impliedStatus(error);
  const failureClass = classOf(status ?? 500, error);
  const isUpstreamFault =
    failureClass === 'server' || failureClass === 'timeout' || failureClass === 'connection';
  return toFailureDetail(isUpstreamFault ? 'bad_answer' : failureClass, error, {
    status: status ?? answer.status,
    headers: answer.headers ?? {},
  });
}

function checkChoices(answer: SuccessAnswer, body: object): FailureDetail | undefined {
  const choices: unknown = 'choices' in body ? body.choices : undefined;
  const first: unknown = Array.isArray(choices) ? choices[0] : undefined;
  if (typeof first !== 'object' || first === null) {
    const blocked = blockReason(body);
    return blocked === undefined
      ? badAnswerDetail(answer, 'no_choices', 'The answer has no choices')
      : detailOf({
          ...statusDetail(answer),
          class: 'content_policy',
          code: blocked,
          message: 'The prompt was blocked',
        });
  }
  if ('error' in first && Boolean(first.error)) return classifyErrorInSuccess(answer, { error: first.error });
  if ('finish_reason' in first && first.finish_reason === 'error')
    return badAnswerDetail(answer, 'finish_error', 'The answer finished with an error');
  const message: unknown =
    'message' in first ? first.message : 'text' in first ? { content: first.text } : undefined;
  return typeof message === 'object' && message !== null
    ? undefined
    : badAnswerDetail(answer, 'no_message', 'The first choice has no message');
}

/** Gemini's own answer to a prompt that it won't take: no candidates, only the reason. */
function blockReason(body: object): string | undefined {
  const feedback: unknown = 'promptFeedback' in body ? body.promptFeedback : undefined;
  if (typeof feedback !== 'object' || feedback === null || !('blockReason' in feedback)) return undefined;
  return typeof feedback.blockReason === 'string' ? feedback.blockReason.slice(0, 100) : undefined;
}

function checkEmbeddings(answer: SuccessAnswer, body: object): FailureDetail | undefined {
  const data: unknown = 'data' in body ? body.data : undefined;
  const isComplete =
    Array.isArray(data) &&
    data.length > 0 &&
    data.every((item: unknown) => {
      const vector: unknown =
        typeof item === 'object' && item !== null && 'embedding' in item ? item.embedding : undefined;
      return (Array.isArray(vector) || typeof vector === 'string') && vector.length > 0;
    });
  return isComplete ? undefined : badAnswerDetail(answer, 'no_embeddings', 'The answer lacks embeddings');
}

function badAnswerDetail(answer: SuccessAnswer, code: string, message: string): FailureDetail {
  return detailOf({ ...statusDetail(answer), class: 'bad_answer', code, message });
}

function statusDetail(answer: Pick<HttpAnswer, 'status'>): Pick<FailureDetail, 'status'> {
  return { status: answer.status };
}

// An answer has been bounded by the transport already, so it may be longer than what an error is read from.
function parseAnswer(text: string): unknown {
  const short = parseJson(text);
  if (short !== undefined) return short;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
