import type { Call } from '../call/call';
import type { Endpoint, EndpointSlot } from '../endpoint/endpoint';
import type { FailureDetail } from '../failure/detail';
import type { WaitQueue } from '../queue/wait-queue';
import type { Plan } from '../routing/plan';
import type { Planner } from '../routing/planner';
import type { Router } from '../routing/router';
import type { HedgePolicy } from './hedge';
import type { RetryOptions } from './options';
import type { RetryBudget } from './retry-budget';
import { RouteRecorder } from './route-recorder';

/** What a reload replaces as a whole. */
export interface Routes {
  /** Counts reloads: a plan of an earlier generation is made again before it is used. */
  readonly generation: number;
  readonly planner: Planner;
  readonly router: Router;
  readonly retry: RetryOptions;
  readonly contentPolicyFallbacks: ReadonlyMap<string, readonly string[]>;
  readonly maxResponseBytes: number;
}

export interface ExecutorParts {
  /** Read whenever it is needed: a reload may have replaced it. */
  readonly routes: () => Routes;
  readonly queue: WaitQueue<EndpointSlot>;
  readonly retryBudget: RetryBudget;
  readonly hedge: HedgePolicy;
  readonly onAttempt: (call: Call, endpoint: Endpoint, detail: FailureDetail | undefined) => void;
}

export interface EndpointFailure {
  readonly provider: string;
  readonly detail: FailureDetail;
}

/** What is known of a call while it runs. */
export interface CallState {
  readonly call: Call;
  readonly recorder: RouteRecorder;
  /** The endpoints that failed the call, by name: a reload may have replaced the objects. */
  readonly failedAt: Map<string, EndpointFailure>;
  /** Those of them whose stream broke off after its first content: not asked again. */
  readonly brokenStreams: Set<string>;
  /** Only these endpoints, where it is set: those that can continue a text. */
  readonly accepts: ((endpoint: Endpoint) => boolean) | undefined;
  /** Only endpoints with a window larger than this one. */
  contextWindowAbove: number;
  /** Only these models, after a refusal by content policy. */
  models: readonly string[] | undefined;
  /** The backoff before an endpoint that failed with a server error may be asked again is over. */
  hasBackedOff: boolean;
  plan: Plan | undefined;
  generation: number;
  staleRetries: number;
}

export function newCallState(call: Call): CallState {
  return {
    call,
    recorder: new RouteRecorder(call),
    failedAt: new Map(),
    brokenStreams: new Set(),
    accepts: undefined,
    contextWindowAbove: 0,
    models: undefined,
    hasBackedOff: false,
    plan: undefined,
    generation: -1,
    staleRetries: 0,
  };
}

/** The call's plan, made again after a reload or when its restrictions have changed. */
export function currentPlan(state: CallState, routes: Routes): Plan {
  if (state.plan && state.generation === routes.generation) return state.plan;
  const { contextWindowAbove, accepts } = state;
  const plan = routes.planner.plan(state.call, state.models);
  state.generation = routes.generation;
  state.plan = plan;
  if (contextWindowAbove === 0 && !accepts) return plan;
  const stages = plan.stages.map((stage) =>
    stage.filter(
      ({ endpoint }) => endpoint.settings.contextWindow > contextWindowAbove && (accepts?.(endpoint) ?? true),
    ),
  );
  state.plan = { ...plan, stages };
  return state.plan;
}
