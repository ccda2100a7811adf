import type { Request } from 'express';
import { checkAppContext } from '../call/check-options';
import type { RequestContext } from '../call/context';
import { AiBalancerError } from '../errors';
import { callApp, NotAnError } from '../util/app-function';
import type { AiGatewayOptions, GatewayIdentity } from './options';

/**
 * Calls the app's `authenticate`.
 *
 * @param timeoutMs How long `authenticate` may take, in milliseconds.
 * @returns The part of the request's context that `authenticate` has returned.
 * @throws An error with status 401 if `authenticate` refuses, or rejects with something that is not an Error; the Error
 * that it throws; ERR_AI_DEADLINE; a TypeError if it returns an invalid context, such as a priority of 7, which is the
 * app's fault and not the client's.
 */
export async function authenticateRequest(
  req: Request,
  authenticate: AiGatewayOptions['authenticate'],
  timeoutMs: number,
): Promise<Partial<RequestContext>> {
  if (authenticate === false) return {};
  let identity: GatewayIdentity;
  try {
    identity = await callApp('authenticate()', () => authenticate(req), timeoutMs);
  } catch (error) {
    // A rejection with something that is not an Error refuses the request: some libraries refuse a user with a bare
    // Promise.reject().
    throw error instanceof NotAnError && !('status' in error) ? unauthorizedError() : error;
  }
  if (identity === true) return {};
  // Undefined, null and '' refuse too: a lookup that finds no user returns undefined.
  if (identity === undefined || identity === null || identity === false || identity === '')
    throw unauthorizedError();
  try {
    return checkAppContext(typeof identity === 'string' ? { tenant: identity } : identity);
  } catch (error) {
    throw new TypeError(`authenticate() returned an invalid context: ${(error as Error).message}`);
  }
}

function unauthorizedError(): AiBalancerError {
  return new AiBalancerError('ERR_AI_BAD_REQUEST', 'The API key is missing or invalid.', {
    status: 401,
    upstreamCode: 'invalid_api_key',
  });
}
