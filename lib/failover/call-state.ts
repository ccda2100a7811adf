import { type Call, latestStartAt } from '../call/call';
import type { Endpoint, EndpointSlot } from '../endpoint/endpoint';
import { type FailureDetail, ruleFor } from '../failure/detail';
import type { WaitQueue } from '../queue/wait-queue';
import type { AttemptReport } from '../route-report';
import { type Option, optionsOf, type Plan, restrictedPlan } from '../routing/plan';
import type { Planner } from '../routing/planner';
import type { Router } from '../routing/router';
import { callerError, contextWindowError } from './call-errors';
import { type CallEvidence, newCallEvidence } from './evidence';
import type { HedgePolicy } from './hedge';
import type { RetryOptions } from './options';
import type { RetryBudget } from './retry-budget';
import { type EndpointHistory, historyAfter } from './retry-plan';
import { RouteRecorder } from './route-recorder';

/** How calls are routed and retried. A reload replaces the whole object. */
export interface Routes {
  /** Increases with every reload. A plan of an earlier generation is replaced before it is used. */
  readonly generation: number;
  readonly planner: Planner;
  readonly router: Router;
  readonly retry: RetryOptions;
  readonly contentPolicyFallbacks: ReadonlyMap<string, readonly string[]>;
  readonly maxResponseBytes: number;
}

export interface HedgedAttempts {
  readonly late: Endpoint;
  readonly hedge: Endpoint;
  /** Whether the hedge won. */
  readonly won: boolean;
}

export interface ExecutorParts {
  /** Called whenever the routes are needed, because a reload may have replaced them. */
  readonly routes: () => Routes;
  readonly queue: WaitQueue<EndpointSlot>;
  readonly retryBudget: RetryBudget;
  readonly hedge: HedgePolicy;
  readonly onAttempt: (call: Call, endpoint: Endpoint, attempt: AttemptReport) => void;
  /** Called when a hedged call has a winner or all its attempts have failed. */
  readonly onHedge: (call: Call, hedged: HedgedAttempts) => void;
}

/** The endpoint that failed an attempt, and why. */
export interface EndpointFault {
  readonly endpoint: Endpoint;
  readonly detail: FailureDetail;
}

/** How an endpoint has failed a call. */
export interface EndpointFailure extends EndpointHistory {
  readonly provider: string;
  /** Detail of the endpoint's latest failure of this call. */
  readonly detail: FailureDetail;
}

/** What is known of a call while it runs. */
export interface CallState {
  readonly call: Call;
  readonly recorder: RouteRecorder;
  /** The endpoints that failed the call, by name, because a reload may replace the endpoint objects. */
  readonly failedAt: Map<string, EndpointFailure>;
  /**
   * If set, only endpoints for which this returns true may serve the call: those that can continue the text of its
   * broken stream.
   */
  readonly accepts: ((endpoint: Endpoint) => boolean) | undefined;
  /** Only endpoints with a context window larger than this, in tokens, may serve the call. */
  contextWindowAbove: number;
  /**
   * If set, only these models may serve the call. Set after a content policy refusal, and when a fallback model has
   * refused the request.
   */
  models: readonly string[] | undefined;
  /**
   * A fault of the caller that one endpoint has reported and another may not report. It becomes the call's error if no
   * other endpoint serves the call.
   */
  refusal: (EndpointFault & { readonly isDoubted: boolean }) | undefined;
  readonly evidence: CallEvidence;
  plan: Plan | undefined;
  generation: number;
  staleRetries: number;
}

export function newCallState(call: Call): CallState {
  return {
    call,
    recorder: new RouteRecorder(call),
    failedAt: new Map(),
    accepts: undefined,
    contextWindowAbove: 0,
    models: undefined,
    refusal: undefined,
    evidence: newCallEvidence(),
    plan: undefined,
    generation: -1,
    staleRetries: 0,
  };
}

/** Adds a failed attempt to the history of the call. */
export function addFailure(
  { failedAt, call }: CallState,
  { endpoint, detail }: EndpointFault,
  retry: RetryOptions,
  isBrokenStream = false,
): void {
  const { name, settings } = endpoint;
  const history = historyAfter(failedAt, name, detail, {
    now: performance.now(),
    deadlineAt: latestStartAt(call),
    retry,
    isBrokenStream,
  });
  for (const [other, past] of failedAt) failedAt.set(other, { ...past, ...history.get(other) });
  const own = history.get(name);
  if (own) failedAt.set(name, { ...own, provider: settings.provider, detail });
}

/** The call's plan, created again after a reload or when its restrictions have changed. */
export function currentPlan(state: CallState, routes: Routes): Plan {
  if (state.plan && state.generation === routes.generation) return state.plan;
  const { contextWindowAbove, accepts } = state;
  const { plan, error } = routes.planner.tryPlan(state.call, state.models);
  if (error) {
    recordVerdicts(state, routes, plan);
    throw error;
  }
  state.generation = routes.generation;
  state.plan = plan;
  const { excluded } = state.call;
  if (contextWindowAbove === 0 && !accepts && !excluded) return plan;
  state.plan = restrictedPlan(
    plan,
    (endpoint) =>
      endpoint.settings.contextWindow > contextWindowAbove &&
      (accepts?.(endpoint) ?? true) &&
      !excluded?.has(endpoint.name),
  );
  return state.plan;
}

/** Records why each endpoint was not asked, for the report of a call that is refused. */
export function recordVerdicts({ recorder }: CallState, { router }: Routes, plan: Plan): void {
  recorder.why = router.pick(plan, { now: performance.now(), peek: true }).why;
}

/** The endpoints that may still serve the call. Empty if the filters leave none or a reload has removed the model. */
export function optionsLeft(state: CallState, routes: Routes): readonly Option[] {
  try {
    return optionsOf(currentPlan(state, routes));
  } catch {
    return [];
  }
}

/** Restricts the call to the endpoints that its last failure allows. Throws the call's error if there are none. */
export function restrictAfter(state: CallState, { endpoint, detail }: EndpointFault, routes: Routes): void {
  const { recorder, failedAt } = state;
  const { settings } = endpoint;
  const { otherEndpoint } = ruleFor(detail);
  const hasOption = (isUsable: (option: Option) => boolean): boolean => {
    state.plan = undefined;
    return optionsLeft(state, routes).some(isUsable);
  };
  if (otherEndpoint === 'larger-window') {
    state.contextWindowAbove = settings.contextWindow;
    if (!hasOption(() => true)) throw contextWindowError(detail, recorder);
  } else if (otherEndpoint === 'content-policy-list' || otherEndpoint === 'never') {
    const lists = routes.contentPolicyFallbacks;
    const list = lists.get(settings.model) ?? lists.get('*');
    if (otherEndpoint === 'content-policy-list' && list) {
      state.models = list;
      if (hasOption((option) => !failedAt.has(option.endpoint.name))) return;
    } else if (detail.class === 'bad_request' && !isRequested(state.call, endpoint)) {
      // The requested model may accept what a fallback model has refused, so only the requested model's endpoints may
      // still serve the call.
      state.models = [state.call.model as string];
      state.refusal = { endpoint, detail, isDoubted: false };
      if (hasOption((option) => failedAt.get(option.endpoint.name)?.againAt !== Infinity)) return;
    } else if (isDoubtful(state, endpoint, routes)) {
      state.refusal = { endpoint, detail, isDoubted: true };
      return;
    }
    throw callerError(detail, recorder);
  }
}

function isRequested({ model }: Call, { settings }: Endpoint): boolean {
  return model === undefined || settings.model === model || settings.aliases.includes(model);
}

/**
 * Whether to try one other endpoint, because this one refuses far more calls than the others. If the other one refuses
 * the call too, the request is to blame.
 */
function isDoubtful(state: CallState, { health }: Endpoint, routes: Routes): boolean {
  const now = performance.now();
  if (state.refusal) {
    if (state.refusal.isDoubted) state.refusal.endpoint.health.refusals.takeBack(now);
    return false;
  }
  if (!optionsLeft(state, routes).some((option) => !state.failedAt.has(option.endpoint.name))) return false;
  health.refusals.recordRefused(now);
  return health.refusals.excess(now) > 0;
}
