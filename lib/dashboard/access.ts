import type { Request } from 'express';
import { AiBalancerError } from '../errors';
import { callApp, NotAnError } from '../util/app-function';
import type { AiDashboardOptions, DashboardAccess } from './options';
import { Refusal } from './refusal';

/** The header that the page sends with a control request. Another site's form can't send it. */
export const CONTROL_HEADER = 'x-ai-dashboard';

/**
 * Calls the app's `authorize` and returns what the request may do.
 *
 * @param timeoutMs How long `authorize` may take, in milliseconds.
 * @throws A refusal with 403 or 504; the Error that `authorize` throws.
 */
export async function accessOf(
  req: Request,
  authorize: AiDashboardOptions['authorize'],
  timeoutMs: number,
): Promise<'view' | 'control'> {
  if (authorize === false) return 'view';
  let access: DashboardAccess;
  try {
    access = await callApp('authorize()', () => authorize(req), timeoutMs);
  } catch (error) {
    // A rejection with something that is not an Error refuses access: some libraries refuse a user with a bare
    // Promise.reject().
    if (error instanceof NotAnError) throw forbidden();
    if (AiBalancerError.isInstance(error) && error.code === 'ERR_AI_DEADLINE') {
      throw new Refusal(504, 'The decision about access took too long.');
    }
    throw error;
  }
  if (access === true || access === 'control') return 'control';
  if (access === 'view') return 'view';
  // Every other value refuses access.
  throw forbidden();
}

/**
 * Refuses data to pages of other sites, even if a permissive CORS middleware of the app would allow it.
 *
 * @throws A refusal with 403.
 */
export function checkReader(req: Request): void {
  const site = req.get('sec-fetch-site');
  if (site === 'cross-site' || site === 'same-site')
    throw new Refusal(403, 'Requests from other sites are refused.');
}

/**
 * Refuses a control request that another site's page may have caused. The browser states the origin of a request in
 * Sec-Fetch-Site (over plain HTTP only in Origin), and the header needs a CORS preflight, which this router never
 * grants.
 *
 * @throws A refusal with 403.
 */
export function checkControlRequest(req: Request): void {
  if (req.get(CONTROL_HEADER) === undefined)
    throw new Refusal(403, `The header ${CONTROL_HEADER} is missing.`);
  const site = req.get('sec-fetch-site');
  const origin = req.get('origin');
  const isOwn =
    site === undefined ? origin === undefined || hostOf(origin) === req.get('host') : site === 'same-origin';
  if (!isOwn) throw new Refusal(403, 'Requests from other sites are refused.');
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}

function forbidden(): Refusal {
  return new Refusal(403, 'You may not use this page.');
}
