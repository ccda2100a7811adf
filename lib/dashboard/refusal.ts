import type { ErrorRequestHandler, Response } from 'express';
import { AiBalancerError } from '../errors';

/** A refused request, which gets a response with this status. The message is shown to the user of the page. */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Sends the response for a refusal. Errors thrown by the app's own functions are passed to the app's error handler. */
export const refusalHandler: ErrorRequestHandler = (error: unknown, _req, res, next) => {
  const isOwn = error instanceof Refusal || AiBalancerError.isInstance(error);
  if (!isOwn || res.headersSent) {
    next(error);
    return;
  }
  if (error.status === 503) res.setHeader('retry-after', '5');
  sendJson(res, error.status, { error: { message: error.message } });
};

export function sendJson(res: Response, status: number, body: unknown): void {
  res.statusCode = status;
  res.setHeader('content-type', 'application/json; charset=utf-8');
  res.setHeader('cache-control', 'no-store');
  res.end(JSON.stringify(body));
}
