import { badRequest } from '../errors';
import { isObject } from '../util/is-object';
import { checkContext } from './check-options';
import type { RequestContext } from './context';

/** Part of a request's context, as a function of the app returns it. */
export type AppContext = Omit<Partial<RequestContext>, 'tenant'> & {
  /** The tenant of the request: a string of 1 to 512 characters. null and an empty string name none. */
  tenant?: string | null;
};

/**
 * The context that a function of the app returned, without a tenant that is null or empty.
 *
 * @throws AiBalancerError ERR_AI_BAD_REQUEST (400) that names the first invalid field.
 */
export function checkAppContext(returned: unknown): Partial<RequestContext> {
  // An Error or a Map that a function returns by mistake has no fields either, and must not pass for an empty context.
  if (isObject(returned) && !isPlain(returned) && Object.keys(returned).length === 0) {
    throw badRequest('context', 'expected a plain object');
  }
  let context = returned;
  if (isObject(returned) && (returned.tenant === null || returned.tenant === '')) {
    const { tenant: _, ...others } = returned;
    context = others;
  }
  checkContext(context);
  return context;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
