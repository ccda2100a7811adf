import type { Endpoint } from '../endpoint/endpoint';
import type { EndpointState } from '../endpoint/unavailable-reason';
import { badRequest } from '../errors';
import type { QuotaLimiters } from '../quota/quota-limiter';

/** Lets an app read and control one endpoint at runtime. */
export interface EndpointHandle {
  /** Name of the endpoint. */
  readonly name: string;
  /** The endpoint's state now. */
  readonly state: EndpointState;
  /**
   * Why the endpoint takes no calls, since when, until when and what to do; undefined while it takes calls. The text
   * may quote the upstream: show it to operators, not to customers.
   */
  readonly reason: string | undefined;
  /**
   * Bottleneck limiters of the endpoint's quota, the same objects each time. Other code that uses the same key runs its jobs
   * through them, `limiters.tokens?.schedule({ weight: 1200 }, job)`, or reports units that it has used,
   * `limiters.tokens?.incrementReservoir(-1200)`. What either side takes counts for the other immediately. While both
   * calls and jobs wait, they take turns, measured in units.
   */
  readonly limiters: QuotaLimiters;
  /** Stops new calls until `enable()`. Calls in flight finish. */
  disable(): void;
  /** Takes calls again: ends a cooldown and closes the breaker. */
  enable(): void;
  /**
   * Sets the weight, until a reload with another weight for the endpoint.
   * @param weight A finite number of at least 0; 0 takes the endpoint out.
   * @throws ERR_AI_BAD_REQUEST
   */
  setWeight(weight: number): void;
}

export function endpointHandle(endpoint: Endpoint): EndpointHandle {
  const handle: Omit<EndpointHandle, 'limiters'> = {
    name: endpoint.name,
    get state() {
      return endpoint.state(performance.now());
    },
    get reason() {
      return endpoint.unavailable.reason(performance.now());
    },
    disable: () => endpoint.disable(),
    enable: () => endpoint.enable(),
    setWeight: (weight) => {
      if (!Number.isFinite(weight) || weight < 0) {
        throw badRequest('weight', `expected a finite number of at least 0, got ${weight}`);
      }
      endpoint.setWeight(weight);
    },
  };
  // Not enumerable, so that a handle can be serialized as JSON; Bottleneck's limiters can't be.
  return Object.defineProperty(handle, 'limiters', { get: () => endpoint.limiters.get() }) as EndpointHandle;
}
