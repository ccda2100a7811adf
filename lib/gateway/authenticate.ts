import type { Request } from 'express';
import { checkAppContext } from '../call/check-options';
import type { RequestContext } from '../call/context';
import { AiBalancerError } from '../errors';
import { callApp, NotAnError } from '../util/app-function';
import type { AiGatewayOptions, GatewayIdentity } from './options';

/**
 * Calls the app's `authenticate`.
 *
 * @param timeoutMs How long it may take, in milliseconds.
 * @returns The part of the request's context that it gives.
 * @throws 401 if it refuses, or fails with something that is not an Error; the Error that it throws; ERR_AI_DEADLINE; a
 * TypeError if it returns an invalid context, such as a priority of 7, which is the app's fault and not the client's.
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
    // Promise.reject() is how some libraries say no.
    throw error instanceof NotAnError && !('status' in error) ? unauthorizedError() : error;
  }
  if (identity === true) return {};
  // Anything that is not a clear yes is a no: a lookup that finds nobody returns undefined.
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
