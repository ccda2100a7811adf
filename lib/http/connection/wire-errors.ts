/** Node's own code for a connect timeout. It is classified as 'timeout' with nothing sent. */
export const CONNECT_TIMEOUT = 'ERR_SOCKET_CONNECTION_TIMEOUT';
/** Code for a proxy that refuses the tunnel to the provider. It is classified as 'connection' with nothing sent. */
const PROXY_REFUSED = 'EPROXY';

export function connectTimeout(ms: number): Error {
  return withCode(`no connection within ${ms.toLocaleString('en')} ms`, CONNECT_TIMEOUT);
}

export function proxyRefused(status: number): Error {
  return withCode(`the proxy refused the connection with status ${status}`, PROXY_REFUSED);
}

/** The error of a request that the caller has aborted. It has axios's code, by which it is classified. */
export function canceled(): Error {
  return withCode('canceled', 'ERR_CANCELED');
}

/** The error of a response above the size limit. It has axios's message, by which classifyError() recognizes it. */
export function responseTooLarge(maxBytes: number): Error {
  return withCode(`maxContentLength size of ${maxBytes} exceeded`, 'ERR_BAD_RESPONSE');
}

/** Codes of a connection that the other side has closed, or of an HTTP/2 stream or session that it has reset. */
const CLOSED = /^(?:ECONNRESET|EPIPE|UND_ERR_(?:SOCKET|INFO|CLOSED|DESTROYED)|ERR_HTTP2_\w+)$/;

/**
 * The error of a connection as node:http reports it, so that it is classified alike over HTTP/1 and HTTP/2. Undici's
 * own codes don't tell whether the response had begun.
 */
export function toSocketError(error: Error, hasHeaders: boolean): Error {
  const code = 'code' in error ? String(error.code) : '';
  if (!CLOSED.test(code)) return error;
  if (hasHeaders) return withCode('aborted', 'ECONNRESET');
  return code === 'ECONNRESET' || code === 'EPIPE' ? error : withCode('socket hang up', 'ECONNRESET');
}

function withCode(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}
