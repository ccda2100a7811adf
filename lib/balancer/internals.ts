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

/**
 * Key of {@link BalancerInternals}. Registered, so that middlewares work with balancers of another copy of the package.
 */
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
   * Returns the error with which a call of average size and this priority would be refused now, if its deadline were
   * `appTimeoutMs` away; undefined if it could start or wait.
   */
  admissionError(priority: Priority, tenant: string): AiBalancerError | undefined;
  /** Reports that a guard's Redis store became unavailable or available again. */
  reportStoreState(guard: string, isDown: boolean, error: unknown): void;
  /** Reports the failure of an answer that was piped to a response, or of a stream that is read through fetch. */
  reportPipeFailure(error: unknown, reader?: 'response' | 'fetch'): void;
  /** Adds an observer, which follows every call from start to end. Returns the function that removes it. */
  observe(observer: CallObserver): () => void;
  /** Returns the base URL of an endpoint; undefined if none has that name. */
  baseURLOf(endpoint: string): string | undefined;
  /** Aborts when the balancer begins to close. */
  readonly closing: AbortSignal;
  /**
   * Time limit, in milliseconds, for functions of the app that run before a call is created: the longest
   * `timeouts.totalMs` of all endpoints.
   */
  readonly appTimeoutMs: number;
  /** The cluster's Redis, in which a guard without its own Redis counts. Undefined without a cluster. */
  readonly sharedStore: SharedStore | undefined;
}

/** The components that {@link balancerInternals} uses. */
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
    reportPipeFailure: (error, reader) => events.pipeFailed(error, reader),
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
