import type { AICall } from '../call/ai-call';
import type { ApiOperation } from '../call/body';
import type { CallHooks } from '../call/call-hooks';
import type { CallOptions, Priority } from '../call/context';
import type { EndpointSlot } from '../endpoint/endpoint';
import type { AiBalancerError } from '../errors';
import type { WaitQueue } from '../queue/wait-queue';
import type { SharedStore } from '../util/redis';
import { admissionError } from './admission';
import type { CallObserver } from './call-observer';
import type { Answer } from './call-outcome';
import type { CallRunner } from './call-runner';
import type { EndpointRegistry } from './endpoint-registry';
import type { EventReporter } from './event-reporter';

/** Key of {@link BalancerInternals}; registered, so that middlewares and balancers of two copies of the package mix. */
export const INTERNALS = Symbol.for('express-ai-balancer.internals');

/** What the middlewares and the gateway use of a balancer beyond its public API. */
export interface BalancerInternals {
  /** Starts a call with the hooks of its request. */
  call(
    operation: ApiOperation,
    body: unknown,
    options: CallOptions | undefined,
    hooks: CallHooks,
  ): AICall<Answer>;
  /**
   * The error that a call of average size with this priority and the default deadline would be refused with now;
   * undefined if it could start or wait.
   */
  admissionError(priority: Priority, tenant: string): AiBalancerError | undefined;
  /** The guard's store stopped answering, or answers again. */
  reportStoreState(guard: string, isDown: boolean, error: unknown): void;
  /** An answer that was piped to a response failed. */
  reportPipeFailure(error: unknown): void;
  /** Follows every call from start to end. Returns the undo. */
  observe(observer: CallObserver): () => void;
  /** The base URL of an endpoint; undefined if none has the name. */
  baseURLOf(endpoint: string): string | undefined;
  /** Aborts when the balancer begins to close. */
  readonly closing: AbortSignal;
  /** How long a function of the app may take where there is no call yet, in milliseconds: the longest `totalMs`. */
  readonly appTimeoutMs: number;
  /** Where a guard without a Redis of its own counts: the cluster's Redis. Undefined without a cluster. */
  readonly sharedStore: SharedStore | undefined;
}

/** What the internals are made of. */
export interface InternalsParts extends Pick<BalancerInternals, 'closing' | 'appTimeoutMs' | 'sharedStore'> {
  readonly calls: CallRunner;
  readonly events: EventReporter;
  readonly registry: EndpointRegistry;
  readonly queue: WaitQueue<EndpointSlot>;
}

export function balancerInternals(parts: InternalsParts): BalancerInternals {
  const { calls, events, registry, queue, closing, appTimeoutMs, sharedStore } = parts;
  return {
    call: (operation, body, options, hooks) => calls.run(operation, body, options, hooks),
    admissionError: (priority, tenant) => {
      const call = { priority, tenant, promptTokens: calls.meanTokens, totalMs: appTimeoutMs };
      return admissionError(queue, registry, call);
    },
    reportStoreState: (guard, isDown, error) => events.storeStateChanged(guard, isDown, error),
    reportPipeFailure: (error) => events.pipeFailed(error),
    baseURLOf: (endpoint) => registry.baseURLOf(endpoint),
    observe: (observer) => {
      events.observers.add(observer);
      return () => void events.observers.delete(observer);
    },
    closing,
    appTimeoutMs,
    sharedStore,
  };
}
