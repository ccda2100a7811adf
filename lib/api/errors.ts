import { AiBalancerError } from '../errors';
import type { ApiRequest } from './api-request';

/** Returns the error to send to the client; undefined if only the app should see the error. */
export function toClientError(error: unknown): AiBalancerError | undefined {
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

export function unknownUrlError({ method, fullPath }: ApiRequest): AiBalancerError {
  return new AiBalancerError('ERR_AI_BAD_REQUEST', `Unknown URL: ${method} ${truncate(fullPath)}`, {
    status: 404,
    upstreamCode: 'unknown_url',
  });
}

export function methodNotAllowedError({ method, fullPath }: ApiRequest, allowed: string): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_BAD_REQUEST',
    `Method ${method} is not allowed for ${truncate(fullPath)}. Use ${allowed}.`,
    { status: 405, upstreamCode: 'method_not_supported' },
  );
}

/** Bounds the length of a path in messages, since the client chooses it. */
function truncate(path: string): string {
  return path.slice(0, 150);
}
