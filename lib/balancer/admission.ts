import type { Priority } from '../call/context';
import type { EndpointSlot } from '../endpoint/endpoint';
import type { AiBalancerError } from '../errors';
import type { WaitQueue } from '../queue/wait-queue';
import type { EndpointRegistry } from './endpoint-registry';

/** Properties that a guard assumes for the calls of a request before the request has made any. */
export interface ExpectedCall {
  readonly priority: Priority;
  readonly tenant: string;
  readonly promptTokens: number;
  /** The call's deadline, in milliseconds from now. */
  readonly totalMs: number;
}

/**
 * Returns the error with which the wait queue would refuse a call with these properties now; undefined if it would
 * accept the call, or is empty.
 */
export function admissionError(
  queue: WaitQueue<EndpointSlot>,
  registry: EndpointRegistry,
  { priority, tenant, promptTokens, totalMs }: ExpectedCall,
): AiBalancerError | undefined {
  if (queue.size === 0) return undefined;
  const open = registry.endpoints.filter(({ weight }) => weight > 0);
  return queue.shedError({
    poolKey: `guard ${registry.routes.generation} ${open.map(({ name }) => name).join(',')}`,
    resources: [...new Set(open.map(({ quota }) => quota))],
    priority,
    tenant,
    promptTokens,
    outputTokens: 0,
    deadlineAt: performance.now() + totalMs,
    serviceMs: 0,
    tryStart: () => ({ kind: 'waiting', waitMs: Infinity }),
  });
}
