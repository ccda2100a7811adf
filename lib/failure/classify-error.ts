import { isObject } from '../util/is-object';
import type { FailureClass } from './classes';
import { classifyAnswer } from './classify-answer';
import { type FailureDetail, RESPONSE_TOO_LARGE, safeLabel, safeMessage } from './detail';
import type { HttpHeaders } from './http-answer';

/**
 * Classifies an error thrown by the transport by its code and message and those of up to three causes. The result holds
 * only plain values: an AxiosError refers to the key and the prompt, so no reference to it is kept.
 */
export function classifyError(error: unknown): FailureDetail {
  try {
    return classifyAttachedAnswer(error) ?? classifyThrown(error);
  } catch {
    // Reading the error threw: it has a getter that throws, or it is a Proxy.
    return { class: 'connection', message: 'Unreadable error' };
  }
}

interface ErrorLink {
  name: string;
  code: string;
  message: string;
}

function classifyThrown(error: unknown): FailureDetail {
  const chain = errorChain(error);
  // The innermost code is that of the socket and the most specific; a wrapper only says 'fetch failed'.
  const decisive =
    chain.findLast((link) => classOfCode(link.code)) ?? chain.find((link) => link.code !== '') ?? chain[0];
  const { name, code, message } = decisive ?? { name: '', code: '', message: '' };
  const failureClass = classOfCancellation(chain) ?? classOfThrown(name, code, message);
  const isBareAbort = failureClass === 'bad_answer' && message === 'aborted';
  const isTooLarge = failureClass === 'bad_answer' && /^maxContentLength size of /.test(message);
  return {
    class: failureClass,
    code: isTooLarge ? RESPONSE_TOO_LARGE : safeLabel(code),
    message:
      safeMessage(isBareAbort ? 'the connection was aborted' : message) || safeLabel(code) || 'Unknown error',
    staleSocket: failureClass === 'connection' && isReusedSocket(error, code) ? true : undefined,
  };
}

function classOfThrown(name: string, code: string, message: string): FailureClass {
  // Node.js: the socket was closed after the response had begun.
  if (code === 'ECONNRESET' && message === 'aborted') return 'bad_answer';
  if (
    code === 'ECONNABORTED' &&
    /^(?:request aborted|(?:read|write) econnaborted|software caused)/i.test(message)
  )
    return 'connection';
  const known = classOfCode(code);
  if (known !== undefined) return known;
  if (/\btimed? ?out\b/i.test(message)) return 'timeout';
  if (/^(?:stream has been aborted|aborted|premature close|terminated)$/i.test(message)) return 'bad_answer';
  if (name === 'SyntaxError') return 'bad_answer';
  // Our own code failed on this request and would fail for another endpoint too.
  if (code === '' && (name === 'TypeError' || name === 'RangeError') && message !== 'fetch failed')
    return 'bad_request';
  return 'connection';
}

/** Failure classes of the error codes of Node.js, OpenSSL, axios and undici. The first matching pattern counts. */
const CODES: readonly (readonly [RegExp, FailureClass])[] = [
  [/^(?:ERR_CANCELED|ABORT_ERR|UND_ERR_ABORTED)$/, 'aborted'],
  [
    /^(?:ETIMEDOUT|ESOCKETTIMEDOUT|ECONNABORTED|ERR_SOCKET_CONNECTION_TIMEOUT|UND_ERR_(?:CONNECT|HEADERS|BODY)_TIMEOUT)$/,
    'timeout',
  ],
  [
    /^(?:E[A-Z]+|ERR_NETWORK|ERR_SOCKET_CLOSED|ERR_INVALID_URL|UND_ERR_(?:SOCKET|CLOSED|DESTROYED))$/,
    'connection',
  ],
  [/^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|EAI_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH)/, 'connection'],
  // The response is truncated, too large or not HTTP, or its compression is broken.
  [
    /^(?:ERR_BAD_RESPONSE|ERR_STREAM_PREMATURE_CLOSE|ERR_FR_TOO_MANY|ERR_ENCODING_INVALID|UND_ERR_(?:RES_|HEADERS_OVERFLOW)|HPE_|Z_|ERR__ERROR_FORMAT|ERR_BROTLI)/,
    'bad_answer',
  ],
  // The HTTP client rejected the request itself, for example because of a character in a header. No upstream was
  // involved.
  [
    /^(?:ERR_BAD_REQUEST|ERR_FR_MAX_BODY|UND_ERR_(?:REQ_|INVALID_ARG|NOT_SUPPORTED)|ERR_INVALID_|ERR_HTTP_INVALID_|ERR_UNESCAPED_|ERR_HTTP_HEADERS)/,
    'bad_request',
  ],
];

function classOfCode(code: string): FailureClass | undefined {
  return CODES.find(([pattern]) => pattern.test(code))?.[1];
}

/**
 * Returns 'timeout' if a timer on our side ended the request (AbortSignal.timeout() aborts with a TimeoutError),
 * 'aborted' if the caller aborted it, undefined otherwise.
 */
function classOfCancellation(chain: readonly ErrorLink[]): 'timeout' | 'aborted' | undefined {
  if (chain.some((link) => link.name === 'TimeoutError')) return 'timeout';
  const isAborted = chain.some(
    (link) =>
      link.name === 'AbortError' || link.name === 'CanceledError' || classOfCode(link.code) === 'aborted',
  );
  return isAborted ? 'aborted' : undefined;
}

const MAX_CHAIN_LENGTH = 4;

function errorChain(error: unknown): ErrorLink[] {
  const chain: ErrorLink[] = [];
  let link: unknown = error;
  while (chain.length < MAX_CHAIN_LENGTH && link !== undefined && link !== null) {
    if (typeof link !== 'object') {
      chain.push({ name: '', code: '', message: typeof link === 'string' ? link.slice(0, 4096) : '' });
      break;
    }
    chain.push({ name: textAt(link, 'name'), code: textAt(link, 'code'), message: textAt(link, 'message') });
    // An AggregateError from Happy Eyeballs: every address failed; its first error stands for all.
    const errors: unknown = 'errors' in link ? link.errors : undefined;
    link =
      'cause' in link && link.cause !== undefined
        ? link.cause
        : Array.isArray(errors)
          ? errors[0]
          : undefined;
  }
  return chain;
}

function textAt(object: object, key: 'name' | 'code' | 'message'): string {
  const value: unknown = key in object ? (object as Record<string, unknown>)[key] : '';
  return typeof value === 'string' ? value.slice(0, 4096) : '';
}

/** Classifies the response that axios attaches to its error if the application's instance sets `validateStatus`. */
function classifyAttachedAnswer(error: unknown): FailureDetail | undefined {
  const response = objectAt(error, 'response');
  const status = response?.status;
  if (!response || typeof status !== 'number' || status < 300) return undefined;
  const headers = (objectAt(response, 'headers') ?? {}) as HttpHeaders;
  const { data } = response;
  return classifyAnswer({
    status,
    headers,
    body: typeof data === 'string' ? data : jsonOf(data),
  });
}

function jsonOf(data: unknown): string {
  // Only plain JSON values can be converted, not a stream or a buffer.
  const prototype: unknown =
    typeof data === 'object' && data !== null ? Object.getPrototypeOf(data) : undefined;
  return prototype === Object.prototype || Array.isArray(data) ? JSON.stringify(data) : '';
}

/**
 * Whether the socket had served a request before: node:http marks the request, undici counts the bytes. Whether the
 * upstream saw this request before the reset can only be judged by the caller, from the elapsed time.
 */
function isReusedSocket(error: unknown, code: string): boolean {
  if (code !== 'ECONNRESET' && code !== 'EPIPE' && code !== 'UND_ERR_SOCKET') return false;
  const request = objectAt(error, 'request');
  const current = objectAt(request, '_currentRequest') ?? request;
  if (current?.reusedSocket === true) return true;
  const socket = objectAt(error, 'socket') ?? objectAt(objectAt(error, 'cause'), 'socket');
  return typeof socket?.bytesRead === 'number' && socket.bytesRead > 0;
}

function objectAt(value: unknown, key: string): Record<string, unknown> | undefined {
  const inner = isObject(value) ? value[key] : undefined;
  return isObject(inner) ? inner : undefined;
}
