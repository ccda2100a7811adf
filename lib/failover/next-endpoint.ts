import { type Call, latestStartAt } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import { AiBalancerError } from '../errors';
import type { Quota } from '../quota/quota';
import { minServiceMs, obstacleOf } from '../routing/availability';
import { type Option, optionsOf, type Plan } from '../routing/plan';
import type { RouterPick } from '../routing/router';
import { allFailedError, callerError, unavailableError } from './call-errors';
import { type CallState, currentPlan, type ExecutorParts } from './call-state';
import { countFailures, decideNext, type RetryDecision, type RetryOption } from './retry-plan';

/** Moving to an endpoint with a lower recent failure rate than this takes nothing from the retry budget. */
const HEALTHY_FAILURE_RATE = 0.1;
const NO_PROVIDERS: ReadonlySet<string> = new Set();
/** How soon a call may come again that found every endpoint busy, at least. */
const MIN_BUSY_MS = 250;
/** How soon a call tries again where the router finds no capacity at an endpoint that the plan takes for ready. */
const RECHECK_MS = 100;

/** What a call does next. */
export type NextStep =
  | {
      readonly kind: 'start';
      readonly pick: RouterPick & { kind: 'picked' };
      /** Whether the attempt takes one retry from the budget. */
      readonly isBudgeted: boolean;
    }
  /** Wait, for the refill of this quota where it is known, and for `waitMs`; Infinity if only an event can tell. */
  | { readonly kind: 'wait'; readonly on: Quota | undefined; readonly waitMs: number }
  /** Wait for the call's own backoff, outside the queue: it must not hold up calls that could start. */
  | { readonly kind: 'back-off'; readonly ms: number }
  | { readonly kind: 'give-up'; readonly error: AiBalancerError };

/** Works out where a call goes next: the retry plan says which endpoints may serve it, the router picks among them. */
export class NextEndpoint {
  readonly #parts: Pick<ExecutorParts, 'routes' | 'retryBudget'>;

  constructor(parts: Pick<ExecutorParts, 'routes' | 'retryBudget'>) {
    this.#parts = parts;
  }

  /** @param isHeld For a call in the queue: whether a quota is held for denser calls. */
  of(state: CallState, isHeld?: (quota: Quota) => boolean): NextStep {
    const { router } = this.#parts.routes();
    const plan = currentPlan(state, this.#parts.routes());
    const now = performance.now();
    const triedProviders =
      state.failedAt.size === 0
        ? NO_PROVIDERS
        : new Set([...state.failedAt.values()].map(({ provider }) => provider));
    const pickAmong = (excluded: (endpoint: Endpoint) => boolean): RouterPick =>
      router.pick(plan, {
        now,
        triedProviders,
        excluded,
        ...(isHeld ? { isHeld } : {}),
      });
    // Most calls start at once at their first attempt: they need no plan.
    if (state.failedAt.size === 0) {
      const pick = pickAmong(() => false);
      if (pick.kind === 'picked') return { kind: 'start', pick, isBudgeted: false };
      if (pick.kind === 'wait') return pick;
    }
    const options = optionsOf(plan).map((option) => this.#retryOption(plan, option, now));
    const decision = this.#decide(state, options, now);
    if (decision.kind === 'give-up')
      return { kind: 'give-up', error: this.#error(state, plan, decision, now) };
    if (decision.kind === 'back-off') return { kind: 'back-off', ms: decision.until - now };
    if (decision.kind === 'wait') return waitFor(plan, decision, now);
    // Endpoints that are not ready stay in, so that the router may prefer to wait for one of an earlier tier.
    const isRetry = [...decision.to].some((name) => (state.failedAt.get(name)?.failures ?? 0) > 0);
    const pick = pickAmong(({ name }) =>
      isRetry ? !decision.to.has(name) : state.failedAt.has(name) && !decision.to.has(name),
    );
    if (pick.kind === 'picked') {
      const chosen = options.find(({ name }) => name === pick.option.endpoint.name);
      const hasFailed = (state.failedAt.get(pick.option.endpoint.name)?.failures ?? 0) > 0;
      const isBudgeted = countFailures(state.failedAt) > 0 && (hasFailed || chosen?.isFailing === true);
      return { kind: 'start', pick, isBudgeted };
    }
    if (pick.kind === 'wait') return pick;
    return { kind: 'wait', on: undefined, waitMs: RECHECK_MS };
  }

  /** The soonest time at which such a call could start, in milliseconds from now; undefined if it is not known. */
  soonestStartMs(state: CallState): number | undefined {
    const now = performance.now();
    const plan = currentPlan(state, this.#parts.routes());
    const options = optionsOf(plan).map((option) => this.#retryOption(plan, option, now));
    const soonest = Math.min(...options.map(({ startAt, availableAt = startAt }) => availableAt));
    return Number.isFinite(soonest) ? Math.max(1, soonest - now) : undefined;
  }

  #decide(state: CallState, options: readonly RetryOption[], now: number): RetryDecision {
    return decideNext({
      now,
      deadlineAt: latestStartAt(state.call),
      options,
      history: state.failedAt,
      maxAttempts: this.#parts.routes().retry.maxAttempts,
      isBudgetSpent: this.#parts.retryBudget.isSpent,
    });
  }

  #retryOption(plan: Plan, option: Option, now: number): RetryOption {
    const { endpoint } = option;
    const obstacle = obstacleOf(plan, option, { now });
    const isBusy = obstacle?.kind === 'concurrency' || obstacle?.kind === 'probe';
    const waitMs = isBusy || obstacle === undefined ? 0 : obstacle.waitMs;
    const cooldownMs = Math.max(0, endpoint.cooldownUntil(now) - now);
    const serviceMs = minServiceMs(plan.call, endpoint, now);
    const { startedAt, deadlineAt } = plan.call;
    const isTooLate = obstacle?.kind === 'slow' && serviceMs <= deadlineAt - startedAt;
    return {
      name: endpoint.name,
      startAt: isBusy && cooldownMs === 0 ? Infinity : now + Math.max(waitMs, cooldownMs),
      ...(isBusy ? { availableAt: now + Math.max(serviceMs, MIN_BUSY_MS, cooldownMs) } : {}),
      ...(isTooLate ? { availableAt: now + cooldownMs } : {}),
      isBusy: isBusy && cooldownMs === 0,
      serviceMs,
      // Just after a recovery its failures are forgotten; while its breaker is not closed, probes are limited anyway.
      isFailing:
        endpoint.breaker.state === 'closed' &&
        (endpoint.breaker.ramp(now) > 0 || endpoint.health.failureRate.value(now) >= HEALTHY_FAILURE_RATE),
    };
  }

  #error(
    state: CallState,
    plan: Plan,
    { reason, retryAt }: RetryDecision & { kind: 'give-up' },
    now: number,
  ): AiBalancerError {
    const { call, recorder, refusal, failedAt } = state;
    if (refusal) return callerError(refusal, recorder);
    const lacking = optionsOf(plan).map(({ endpoint }) => failedAt.get(endpoint.name)?.detail);
    const [first] = lacking;
    if (first && lacking.every((detail) => detail?.lacksCapability)) {
      // Without the status and the codes of a server's fault.
      return callerError({ class: 'bad_request', message: first.message, status: 400 }, recorder);
    }
    const retryAfterMs = Number.isFinite(retryAt) ? Math.max(1, Math.ceil(retryAt - now)) : undefined;
    if (failedAt.size > 0) return allFailedError(recorder, retryAfterMs, REASONS[reason]);
    const hasQuotaObstacle = optionsOf(plan).some((option) => {
      const kind = obstacleOf(plan, option, { now })?.kind;
      return kind === 'quota' || kind === 'slow';
    });
    if (!hasQuotaObstacle) return unavailableError(recorder, retryAfterMs);
    return noQuotaError(call, retryAfterMs, now);
  }
}

const REASONS: Record<(RetryDecision & { kind: 'give-up' })['reason'], string | undefined> = {
  attempts: 'no attempts are left (retry.maxAttempts)',
  budget: 'the retry budget is spent',
  deadline: 'no endpoint is available again before the deadline',
  'no-endpoint': undefined,
};

function waitFor(plan: Plan, { for: name, until }: RetryDecision & { kind: 'wait' }, now: number): NextStep {
  const option = optionsOf(plan).find(({ endpoint }) => endpoint.name === name);
  const kind = option && obstacleOf(plan, option, { now })?.kind;
  // Only a call that waits for quota holds it against less dense calls. A group's quota may serve other endpoints.
  const on = kind === 'quota' ? option?.endpoint.quota : undefined;
  return { kind: 'wait', on, waitMs: until - now };
}

function noQuotaError(call: Call, retryAfterMs: number | undefined, now: number): AiBalancerError {
  const ms = Math.max(0, Math.round(latestStartAt(call) - now)).toLocaleString('en');
  return new AiBalancerError(
    'ERR_AI_SATURATED',
    `no endpoint has quota for this call within ${ms} ms, the time left before its deadline`,
    { status: 503, retryable: true, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  );
}
