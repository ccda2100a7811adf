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
import { Trail } from './route-recorder';

/** What changes as a whole when the configuration is reloaded. */
export interface Routes {
  /** Counts reloads: a plan of an earlier one is worked out anew before it is used. */
  readonly generation: number;
  readonly planner: Planner;
  readonly router: Router;
  readonly retry: RetryOptions;
  readonly contentPolicyFallbacks: ReadonlyMap<string, readonly string[]>;
  readonly maxResponseBytes: number;
}

export interface ExecutorParts {
  /** Asked anew whenever it is needed. */
  readonly routes: () => Routes;
  readonly queue: WaitQueue<EndpointSlot>;
  readonly retryBudget: RetryBudget;
  readonly hedge: HedgePolicy;
  readonly onAttempt: (call: Call, endpoint: Endpoint, detail: FailureDetail | undefined) => void;
}

export interface Tried {
  readonly provider: string;
  readonly detail: FailureDetail;
}

/** What one call has been through. */
export interface Progress {
  readonly call: Call;
  readonly trail: Trail;
  /** The endpoints that failed it, by name: a reload may have changed the objects. */
  readonly tried: Map<string, Tried>;
  /** Of those, the ones whose stream broke off after its first content: never asked again. */
  readonly left: Set<string>;
  /** Only endpoints with a window larger than this one. */
  windowAbove: number;
  /** Only these models, after a refusal by content policy. */
  models: readonly string[] | undefined;
  /** It has waited long enough to ask an endpoint again that failed it with a server's error. */
  backedOff: boolean;
  plan: Plan | undefined;
  generation: number;
  staleRetries: number;
}

export function newProgress(call: Call): Progress {
  return {
    call,
    trail: new Trail(call),
    tried: new Map(),
    left: new Set(),
    windowAbove: 0,
    models: undefined,
    backedOff: false,
    plan: undefined,
    generation: -1,
    staleRetries: 0,
  };
}

/** The call's plan, worked out anew after a reload or when what it may use has changed. */
export function currentPlan(progress: Progress, routes: Routes): Plan {
  if (progress.plan && progress.generation === routes.generation) return progress.plan;
  const { windowAbove } = progress;
  const plan = routes.planner.plan(progress.call, progress.models);
  const stages =
    windowAbove === 0
      ? plan.stages
      : plan.stages.map((stage) =>
          stage.filter(({ endpoint }) => endpoint.settings.contextWindow > windowAbove),
        );
  progress.generation = routes.generation;
  progress.plan = windowAbove === 0 ? plan : { ...plan, stages };
  return progress.plan;
}
