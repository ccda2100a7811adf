import type { Request } from 'express';
import { checkContext } from '../call/check-options';
import type { RequestContext } from '../call/context';
import { AiBalancerError } from '../errors';
import type { GatewayIdentity, GatewayOptions } from './options';

/**
 * Asks the app who comes.
 *
 * @returns What it says of the request's context.
 * @throws 401 where it says no; what the app's function throws; a TypeError where it gives a context that can't be, such
 * as a priority of 7: the app's fault, not the caller's.
 */
export async function authenticateRequest(
  req: Request,
  authenticate: GatewayOptions['authenticate'],
): Promise<Partial<RequestContext>> {
  if (authenticate === false) return {};
  const identity: unknown = (await authenticate(req)) satisfies GatewayIdentity;
  if (identity === true) return {};
  // Whatever isn't a clear yes is a no: a look-up that finds nobody gives undefined.
  if (identity === undefined || identity === null || identity === false || identity === '')
    throw unauthorizedError();
  const context = typeof identity === 'string' ? { tenant: identity } : identity;
  try {
    checkContext(context);
  } catch (error) {
    throw new TypeError(`authenticate() gave no context: ${(error as Error).message}`);
  }
  return context;
}

function unauthorizedError(): AiBalancerError {
  return new AiBalancerError('ERR_AI_BAD_REQUEST', 'The API key is missing or not known here.', {
    status: 401,
    upstreamCode: 'invalid_api_key',
  });
}
