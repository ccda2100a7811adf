import { latestStartAt, remainingMs } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import { AiBalancerError } from '../errors';
import type { Quota } from '../quota/quota';
import { minServiceMs, obstacleOf } from '../routing/availability';
import { type Option, optionsOf, type Plan } from '../routing/plan';
import type { RouterPick } from '../routing/router';
import { allFailedError, budgetError, callerError, unavailableError } from './call-errors';
import { type CallState, currentPlan, type ExecutorParts } from './call-state';
import { countFailures, decideNext, type RetryDecision, type RetryOption } from './retry-plan';

/** An attempt at an endpoint whose recent failure rate is below this takes nothing from the retry budget. */
const HEALTHY_FAILURE_RATE = 0.1;
const NO_PROVIDERS: ReadonlySet<string> = new Set();
/** The shortest time until a busy endpoint is assumed to be available again, in milliseconds. */
const MIN_BUSY_MS = 250;
/**
 * How soon a call tries again if the retry plan has an endpoint ready but the router finds no capacity there, in
 * milliseconds.
 */
const RECHECK_MS = 100;

/** What a call does next. */
export type NextStep =
  | {
      readonly kind: 'start';
      readonly pick: RouterPick & { kind: 'picked' };
      /** Whether the attempt takes one retry from the budget. */
      readonly isBudgeted: boolean;
    }
  /**
   * Wait for `waitMs`, until the quota `on` is refilled if the call lacks quota. Infinity if only an event can end the
   * wait.
   */
  | { readonly kind: 'wait'; readonly on: Quota | undefined; readonly waitMs: number }
  /**
   * Wait for the call's own backoff, outside the queue: in the queue, the call would hold up others that could start.
   */
  | { readonly kind: 'back-off'; readonly ms: number }
  | { readonly kind: 'give-up'; readonly error: AiBalancerError };

/** Works out where a call goes next: the retry plan says which endpoints may serve it, the router picks among them. */
export class NextEndpoint {
  readonly #parts: Pick<ExecutorParts, 'routes' | 'retryBudget' | 'hedge'>;

  constructor(parts: Pick<ExecutorParts, 'routes' | 'retryBudget' | 'hedge'>) {
    this.#parts = parts;
  }

  /** @param isHeld Whether a quota is held for calls of higher value density. Set for a call in the queue. */
  of(state: CallState, isHeld?: (quota: Quota) => boolean): NextStep {
    const routes = this.#parts.routes();
    const plan = currentPlan(state, routes);
    const now = performance.now();
    const { failedAt } = state;
    const triedProviders =
      failedAt.size === 0 ? NO_PROVIDERS : new Set([...failedAt.values()].map(({ provider }) => provider));
    const probing = this.#parts.hedge.mayProbe(state.call) ? 'beside' : 'by-call';
    const pickAmong = (excluded: (endpoint: Endpoint) => boolean, triesSlow = false): RouterPick =>
      routes.router.pick(plan, { now, triedProviders, excluded, isHeld, probing, triesSlow });
    // Most calls can start their first attempt at once and need no retry plan.
    if (failedAt.size === 0) {
      const pick = pickAmong(() => false);
      if (pick.kind === 'picked') return { kind: 'start', pick, isBudgeted: false };
      if (pick.kind === 'wait') return pick;
      // Predicted latency alone refuses no call: an endpoint that seems too slow gets one call at a time.
      const isTried = pick.kind === 'full' && now < latestStartAt(state.call);
      const trial = isTried ? pickAmong(() => false, true) : pick;
      if (trial.kind === 'picked') return { kind: 'start', pick: trial, isBudgeted: false };
      state.recorder.why = pick.why;
    }
    const options = this.#retryOptions(plan, now);
    const decision = decideNext({
      now,
      deadlineAt: latestStartAt(state.call),
      options,
      history: failedAt,
      maxAttempts: routes.retry.maxAttempts,
      isBudgetSpent: this.#parts.retryBudget.isSpent,
    });
    if (decision.kind === 'give-up')
      return { kind: 'give-up', error: giveUpError(state, plan, decision, now) };
    if (decision.kind === 'back-off') return { kind: 'back-off', ms: decision.until - now };
    if (decision.kind === 'wait') return waitFor(plan, decision, now);
    const hasFailed = (name: string): boolean => (failedAt.get(name)?.failures ?? 0) > 0;
    // Endpoints that are not ready remain candidates, so that the router can prefer to wait for one of an earlier tier.
    // An endpoint that is ready but not in `decision.to` is failing, and the retry budget is spent.
    const isRetry = [...decision.to].some(hasFailed);
    const ready = new Set(options.filter(({ startAt }) => startAt <= now).map(({ name }) => name));
    const isExcluded = ({ name }: Endpoint): boolean =>
      !decision.to.has(name) && (isRetry || failedAt.has(name) || ready.has(name));
    const isTooSlow = tooSlowAfterTimeout(state, plan, now);
    const inTime = isTooSlow && pickAmong((endpoint) => isExcluded(endpoint) || isTooSlow(endpoint));
    const pick = inTime?.kind === 'picked' ? inTime : pickAmong(isExcluded);
    if (pick.kind === 'picked') {
      const { name } = pick.option.endpoint;
      const isFailing = options.find((option) => option.name === name)?.isFailing === true;
      const isBudgeted = countFailures(failedAt) > 0 && (hasFailed(name) || isFailing);
      return { kind: 'start', pick, isBudgeted };
    }
    return pick.kind === 'wait' ? pick : { kind: 'wait', on: undefined, waitMs: RECHECK_MS };
  }

  /** How soon a new call like this one could start, in milliseconds from now; undefined if that is not known. */
  soonestStartMs(state: CallState): number | undefined {
    const now = performance.now();
    const options = this.#retryOptions(currentPlan(state, this.#parts.routes()), now);
    const soonest = Math.min(...options.map(({ startAt, availableAt = startAt }) => availableAt));
    return Number.isFinite(soonest) ? Math.max(1, soonest - now) : undefined;
  }

  #retryOptions(plan: Plan, now: number): RetryOption[] {
    return optionsOf(plan).map((option) => retryOption(plan, option, now));
  }
}

/**
 * Returns whether an endpoint is probably too slow for the time left: an attempt at the same address and model has timed
 * out after more time than is left now. A provider that is slow is slow for all of its keys. Undefined if no attempt has.
 */
function tooSlowAfterTimeout(
  { call, recorder }: CallState,
  plan: Plan,
  now: number,
): ((endpoint: Endpoint) => boolean) | undefined {
  const remaining = remainingMs(call, now);
  const timedOut = recorder.attempts.filter(
    ({ class: failure, ms }) => failure === 'timeout' && ms > remaining,
  );
  if (timedOut.length === 0) return undefined;
  const names = new Set(timedOut.map(({ endpoint }) => endpoint));
  const slow = optionsOf(plan)
    .map(({ endpoint }) => endpoint.settings)
    .filter(({ name }) => names.has(name));
  return ({ settings: { baseURL, model } }) =>
    slow.some((other) => other.baseURL === baseURL && other.model === model);
}

function retryOption(plan: Plan, option: Option, now: number): RetryOption {
  const { endpoint } = option;
  const obstacle = obstacleOf(plan, option, { now });
  const cooldownMs = Math.max(0, endpoint.cooldownUntil(now) - now);
  const isOccupied = obstacle?.kind === 'concurrency' || obstacle?.kind === 'probe';
  const isBusy = isOccupied && cooldownMs === 0;
  const waitMs = isOccupied || obstacle === undefined ? 0 : obstacle.waitMs;
  const serviceMs = minServiceMs(plan.call, endpoint, now);
  const { startedAt, deadlineAt } = plan.call;
  const isTooLate = obstacle?.kind === 'slow' && serviceMs <= deadlineAt - startedAt;
  const busyMs = Math.max(serviceMs, MIN_BUSY_MS, cooldownMs);
  return {
    name: endpoint.name,
    startAt: isBusy ? Infinity : now + Math.max(waitMs, cooldownMs),
    availableAt: isOccupied ? now + busyMs : isTooLate ? now + cooldownMs : undefined,
    isBusy,
    serviceMs,
    // A recovery resets the failure rate, so an endpoint in slow start counts as failing as well. While its breaker is
    // not closed, probes are limited anyway.
    isFailing:
      endpoint.breaker.state === 'closed' &&
      (endpoint.breaker.ramp(now) > 0 || endpoint.health.failureRate.value(now) >= HEALTHY_FAILURE_RATE),
  };
}

function giveUpError(
  { call, recorder, refusal, failedAt }: CallState,
  plan: Plan,
  { reason, retryAt }: RetryDecision & { kind: 'give-up' },
  now: number,
): AiBalancerError {
  if (refusal) return callerError(refusal.detail, recorder);
  const lacking = optionsOf(plan).map(({ endpoint }) => failedAt.get(endpoint.name)?.detail);
  const [first] = lacking;
  if (first && lacking.every((detail) => detail?.lacksCapability)) {
    // The caller gets a 400 without the status and codes of the upstream's error, which may be those of a server fault.
    return callerError({ class: 'bad_request', message: first.message, status: 400 }, recorder);
  }
  const retryAfterMs = Number.isFinite(retryAt) ? Math.max(1, Math.ceil(retryAt - now)) : undefined;
  if (failedAt.size > 0) return allFailedError(recorder, retryAfterMs, REASONS[reason]);
  const obstacles = optionsOf(plan)
    .filter(({ endpoint }) => endpoint.weight > 0)
    .map((option) => obstacleOf(plan, option, { now }));
  if (obstacles.length > 0 && obstacles.every((obstacle) => obstacle?.kind === 'budget'))
    return budgetError(recorder, retryAfterMs, obstacles);
  const hasQuotaObstacle = obstacles.some(
    (obstacle) => obstacle?.kind === 'quota' || obstacle?.kind === 'slow',
  );
  if (!hasQuotaObstacle)
    return unavailableError(
      recorder,
      retryAfterMs,
      optionsOf(plan).map(({ endpoint }) => endpoint),
    );
  const ms = Math.max(0, Math.round(latestStartAt(call) - now)).toLocaleString('en');
  const isSlow = obstacles.every((obstacle) => obstacle?.kind !== 'quota');
  const lack = isSlow ? 'is expected to answer this call' : 'has quota for this call';
  return new AiBalancerError(
    'ERR_AI_SATURATED',
    `no endpoint ${lack} within ${ms} ms, the time left before its deadline`,
    { status: 503, retryable: true, retryAfterMs },
  );
}

const REASONS: Record<(RetryDecision & { kind: 'give-up' })['reason'], string> = {
  attempts: 'no attempts are left (retry.maxAttempts)',
  budget: 'the retry budget is spent',
  deadline: 'no endpoint is available again before the deadline',
  'no-endpoint': 'no other endpoint is left to try',
};

function waitFor(plan: Plan, { for: name, until }: RetryDecision & { kind: 'wait' }, now: number): NextStep {
  const option = optionsOf(plan).find(({ endpoint }) => endpoint.name === name);
  const kind = option && obstacleOf(plan, option, { now })?.kind;
  // Only a call that waits for quota may hold that quota against calls of lower value density. Any other call must not,
  // because other endpoints may share the quota as a group.
  const on = kind === 'quota' ? option?.endpoint.quota : undefined;
  return { kind: 'wait', on, waitMs: until - now };
}
