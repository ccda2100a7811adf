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
    : [faultAt({ balancer }, ['balancer'], 'a Balancer'), ...faults];
  if (all.length > 0) throw optionsError(name, all);
}
