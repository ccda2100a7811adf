import type { Request } from 'express';
import { checkContext } from '../call/check-options';
import type { RequestContext } from '../call/context';
import { AiBalancerError } from '../errors';
import type { AiGatewayOptions, GatewayIdentity } from './options';

/**
 * Calls the app's `authenticate`.
 *
 * @returns The part of the request's context that it gives.
 * @throws 401 if it refuses; whatever it throws itself; a TypeError if it returns an invalid context, such as a priority
 * of 7, which is the app's fault and not the client's.
 */
export async function authenticateRequest(
  req: Request,
  authenticate: AiGatewayOptions['authenticate'],
): Promise<Partial<RequestContext>> {
  if (authenticate === false) return {};
  const identity: unknown = (await authenticate(req)) satisfies GatewayIdentity;
  if (identity === true) return {};
  // Anything that is not a clear yes is a no: a lookup that finds nobody returns undefined.
  if (identity === undefined || identity === null || identity === false || identity === '')
    throw unauthorizedError();
  const context = typeof identity === 'string' ? { tenant: identity } : identity;
  try {
    checkContext(context);
  } catch (error) {
    throw new TypeError(`authenticate() returned an invalid context: ${(error as Error).message}`);
  }
  return context;
}

function unauthorizedError(): AiBalancerError {
  return new AiBalancerError('ERR_AI_BAD_REQUEST', 'The API key is missing or invalid.', {
    status: 401,
    upstreamCode: 'invalid_api_key',
  });
}
