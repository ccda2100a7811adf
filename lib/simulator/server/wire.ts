import type { ServerResponse } from 'node:http';
import type { RefusalReason } from '../behavior';

/** An error in OpenAI's shape. */
export function errorBody(message: string, type: string, code: string | null, param: string | null = null) {
  return { error: { message, type, param, code } };
}

/** An invalid request. It is answered before it counts against any limit. */
export class BadRequest extends Error {
  readonly status: number;
  readonly code: string | null;
  readonly param: string | null;
  readonly type = 'invalid_request_error';
  readonly reason: RefusalReason | undefined;

  constructor(
    message: string,
    at: { status?: number; code?: string; param?: string; reason?: RefusalReason } = {},
  ) {
    super(message);
    this.name = 'BadRequest';
    this.status = at.status ?? 400;
    this.code = at.code ?? null;
    this.param = at.param ?? null;
    this.reason = at.reason;
  }
}

export function sendJson(
  res: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  if (res.headersSent || res.destroyed) return;
  const text = JSON.stringify(body);
  res.writeHead(status, {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    ...headers,
  });
  res.end(text);
}
