import type { ErrorRequestHandler, Request, Response } from 'express';
import { AiBalancerError } from '../errors';
import { errorHeaders } from './headers';

/** Answers errors as OpenAI does. What the app's own functions throw goes on to the app's error handler. */
export const gatewayErrorHandler: ErrorRequestHandler = (error: unknown, _req, res, next) => {
  const clientError = toClientError(error);
  if (!clientError || res.headersSent) {
    next(error);
    return;
  }
  for (const [name, value] of Object.entries(errorHeaders(clientError))) res.setHeader(name, value);
  sendJson(res, clientError.status, clientError.toBody());
};

export function sendJson(res: Response, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  res.statusCode = status;
  res.setHeader('content-type', 'application/json; charset=utf-8');
  res.setHeader('content-length', Buffer.byteLength(text));
  res.end(text);
}

export function unknownUrlError({ method, baseUrl, path }: Request): AiBalancerError {
  return new AiBalancerError('ERR_AI_BAD_REQUEST', `There is no ${method} ${baseUrl}${truncatePath(path)}.`, {
    status: 404,
    upstreamCode: 'unknown_url',
  });
}

export function methodNotAllowedError({ method, baseUrl, path }: Request, allowed: string): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_BAD_REQUEST',
    `${baseUrl}${truncatePath(path)} takes ${allowed}, not ${method}.`,
    { status: 405, upstreamCode: 'method_not_supported' },
  );
}

/** The error to tell the client; undefined for one that is nobody's business but the app's. */
function toClientError(error: unknown): AiBalancerError | undefined {
  if (AiBalancerError.isInstance(error)) return error;
  const { status, expose, message } = (error ?? {}) as {
    status?: unknown;
    expose?: unknown;
    message?: unknown;
  };
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 400 || status >= 500)
    return undefined;
  const text = expose === true && typeof message === 'string' ? message : 'The request was refused.';
  return new AiBalancerError('ERR_AI_BAD_REQUEST', text, { status });
}

/** A path comes from the caller: bounded. */
function truncatePath(path: string): string {
  return path.slice(0, 100);
}
