import { type Fault, faultAt, optionsError } from '../config/config-errors';
import { Balancer } from './balancer';

/**
 * Checks the arguments of a middleware.
 *
 * @param name The middleware's name in the error.
 * @throws ERR_AI_CONFIG that lists every fault: a first argument that is not a balancer, and those of the options.
 */
export function checkOptions(
  name: string,
  balancer: unknown,
  faults: readonly Fault[],
): asserts balancer is Balancer {
  const all = Balancer.isInstance(balancer)
    ? faults
    : [faultAt({ balancer }, ['balancer'], expectedBalancer(balancer)), ...faults];
  if (all.length > 0) throw optionsError(name, all);
}

/**
 * Describes what is expected; says to pass `.balancer` if the value has that property, as the middleware of
 * `aiBalancer()` does.
 */
function expectedBalancer(given: unknown): string {
  const inner = (given as { readonly balancer?: unknown } | null | undefined)?.balancer;
  return Balancer.isInstance(inner) ? 'a Balancer: pass its .balancer' : 'a Balancer';
}
