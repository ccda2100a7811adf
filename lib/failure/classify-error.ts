import type { FailureClass } from './classes';
import { classifyAnswer } from './classify-answer';
import { detailOf, type FailureDetail, RESPONSE_TOO_LARGE, safeLabel, safeMessage } from './detail';
import type { ResponseHeaders } from './headers';

/**
 * What an error thrown by the transport means: told by code and message, through at most three causes. Only plain
 * words are kept: an AxiosError carries the key and the prompt, so no part of it is held on to.
 */
export function classifyError(error: unknown): FailureDetail {
  try {
    return classifyAttachedAnswer(error) ?? classifyThrown(error);
  } catch {
    // A getter or a proxy that throws.
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
  // The innermost code is the socket's; what wraps it ('fetch failed') knows less.
  const decisive =
    chain.findLast((link) => CODES.has(link.code)) ?? chain.find((link) => link.code !== '') ?? chain[0];
  const { name, code, message } = decisive ?? { name: '', code: '', message: '' };
  const failureClass = classOfCancellation(chain) ?? classOfThrown(name, code, message);
  const isTooLarge = failureClass === 'bad_answer' && /^maxContentLength size of /.test(message);
  return detailOf({
    class: failureClass,
    code: isTooLarge ? RESPONSE_TOO_LARGE : safeLabel(code),
    message: safeMessage(message) || safeLabel(code) || 'Unknown error',
    staleSocket: failureClass === 'connection' && isReusedSocket(error, code) ? true : undefined,
  });
}

function classOfThrown(name: string, code: string, message: string): FailureClass {
  // Node: the response had begun, then its socket closed. Axios: the same, seen by its own reader.
  if (code === 'ECONNRESET' && message === 'aborted') return 'bad_answer';
  if (
    code === 'ECONNABORTED' &&
    /^(?:request aborted|(?:read|write) econnaborted|software caused)/i.test(message)
  )
    return 'connection';
  const known = CODES.get(code);
  if (known !== undefined) return known;
  if (/^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|EAI_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH)/.test(code))
    return 'connection';
  // The peer doesn't speak HTTP, or its compression is broken.
  if (/^(?:HPE_|Z_|ERR__ERROR_FORMAT|ERR_BROTLI)/.test(code)) return 'bad_answer';
  // Node refused what we handed it: a header's character, an argument. No upstream had a part in that.
  if (/^ERR_(?:INVALID_|HTTP_INVALID_|UNESCAPED_|HTTP_HEADERS)/.test(code)) return 'bad_request';
  if (/\btimed? ?out\b/i.test(message)) return 'timeout';
  if (/^(?:stream has been aborted|aborted|premature close|terminated)$/i.test(message)) return 'bad_answer';
  if (name === 'SyntaxError') return 'bad_answer';
  // Our own code stumbled over this request; another endpoint would see it stumble too.
  if (code === '' && (name === 'TypeError' || name === 'RangeError') && message !== 'fetch failed')
    return 'bad_request';
  return 'connection';
}

const CODES: ReadonlyMap<string, FailureClass> = new Map<string, FailureClass>([
  ...(
    [
      'ECONNREFUSED',
      'ECONNRESET',
      'EPIPE',
      'EHOSTUNREACH',
      'EHOSTDOWN',
      'ENETUNREACH',
      'ENETDOWN',
      'ENETRESET',
      'EADDRNOTAVAIL',
      'ENOTFOUND',
      'EAI_AGAIN',
      'EPROTO',
      'ENOTCONN',
      'ERR_NETWORK',
      'ERR_SOCKET_CLOSED',
      'ERR_INVALID_URL',
      'UND_ERR_SOCKET',
      'UND_ERR_CLOSED',
      'UND_ERR_DESTROYED',
    ] as const
  ).map((code) => [code, 'connection'] as const),
  ...(
    [
      'ETIMEDOUT',
      'ESOCKETTIMEDOUT',
      'ECONNABORTED',
      'ERR_SOCKET_CONNECTION_TIMEOUT',
      'UND_ERR_CONNECT_TIMEOUT',
      'UND_ERR_HEADERS_TIMEOUT',
      'UND_ERR_BODY_TIMEOUT',
    ] as const
  ).map((code) => [code, 'timeout'] as const),
  ...(
    [
      'ERR_BAD_RESPONSE',
      'ERR_STREAM_PREMATURE_CLOSE',
      'ERR_FR_TOO_MANY_REDIRECTS',
      'ERR_ENCODING_INVALID_ENCODED_DATA',
      'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
      'UND_ERR_RES_EXCEEDED_MAX_SIZE',
    ] as const
  ).map((code) => [code, 'bad_answer'] as const),
  ['ERR_BAD_REQUEST', 'bad_request'],
  ['ERR_FR_MAX_BODY_LENGTH_EXCEEDED', 'bad_request'],
  ['UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', 'bad_request'],
  ['ERR_CANCELED', 'aborted'],
  ['ABORT_ERR', 'aborted'],
  ['UND_ERR_ABORTED', 'aborted'],
]);

/** A call ended from our side: by a clock (AbortSignal.timeout() aborts too, but names its reason) or by its caller. */
function classOfCancellation(chain: readonly ErrorLink[]): 'timeout' | 'aborted' | undefined {
  if (chain.some((link) => link.name === 'TimeoutError')) return 'timeout';
  const aborted = chain.some(
    (link) =>
      link.name === 'AbortError' || link.name === 'CanceledError' || CODES.get(link.code) === 'aborted',
  );
  return aborted ? 'aborted' : undefined;
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
    // Happy Eyeballs: every address failed; the first stands for all.
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

/** The error carries an answer with a status, as axios's do where `validateStatus` was left on. */
function classifyAttachedAnswer(error: unknown): FailureDetail | undefined {
  const response = objectAt(error, 'response');
  if (!response || !('status' in response) || typeof response.status !== 'number' || response.status < 300)
    return undefined;
  const headers = (objectAt(response, 'headers') ?? {}) as ResponseHeaders;
  const data: unknown = 'data' in response ? response.data : undefined;
  return classifyAnswer({
    status: response.status,
    headers,
    body: typeof data === 'string' ? data : jsonOf(data),
  });
}

function jsonOf(data: unknown): string {
  // A stream or a buffer has nothing to say here; only plain JSON does.
  const prototype: unknown =
    typeof data === 'object' && data !== null ? Object.getPrototypeOf(data) : undefined;
  return prototype === Object.prototype || Array.isArray(data) ? JSON.stringify(data) : '';
}

/**
 * Whether the socket had served before: node:http marks the request, undici counts the bytes. Whether the reset came
 * at once, and so before the upstream saw the request, only the caller's clock can tell.
 */
function isReusedSocket(error: unknown, code: string): boolean {
  if (code !== 'ECONNRESET' && code !== 'EPIPE' && code !== 'UND_ERR_SOCKET') return false;
  const request = objectAt(error, 'request');
  const current = objectAt(request, '_currentRequest') ?? request;
  if (current && 'reusedSocket' in current && current.reusedSocket === true) return true;
  const socket = objectAt(error, 'socket') ?? objectAt(objectAt(error, 'cause'), 'socket');
  return Boolean(
    socket && 'bytesRead' in socket && typeof socket.bytesRead === 'number' && socket.bytesRead > 0,
  );
}

function objectAt(value: unknown, key: string): object | undefined {
  if (typeof value !== 'object' || value === null || !(key in value)) return undefined;
  const inner = (value as Record<string, unknown>)[key];
  return typeof inner === 'object' && inner !== null ? inner : undefined;
}
