import type { ErrorRequestHandler, Request, Response } from 'express';
import { AiBalancerError } from '../errors';
import { errorHeaders } from './headers';

/** Answers errors as OpenAI does. Errors thrown by the app's own functions go on to the app's error handler. */
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
  return new AiBalancerError('ERR_AI_BAD_REQUEST', `Unknown URL: ${method} ${baseUrl}${truncatePath(path)}`, {
    status: 404,
    upstreamCode: 'unknown_url',
  });
}

export function methodNotAllowedError({ method, baseUrl, path }: Request, allowed: string): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_BAD_REQUEST',
    `Method ${method} is not allowed for ${baseUrl}${truncatePath(path)}. Use ${allowed}.`,
    { status: 405, upstreamCode: 'method_not_supported' },
  );
}

/** The error to send to the client; undefined if only the app should see it. */
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

/** The client chooses the path: its length must be bounded. */
function truncatePath(path: string): string {
  return path.slice(0, 100);
}
