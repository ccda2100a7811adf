import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import { type Call, remainingMs } from '../call/call';
import type { RouteReport } from '../call/report';
import type { Endpoint } from '../endpoint/endpoint';
import { type ExchangeOptions, type StreamedAnswer, UpstreamFailure } from '../endpoint/exchange';
import type { Lease } from '../endpoint/lease';
import { AiBalancerError } from '../errors';
import { type FailureDetail, ruleFor } from '../failure/detail';
import { optionsOf, type Plan } from '../routing/plan';
import { Acquirer } from './acquire';
import { attemptLimitMs } from './attempt-limit';
import { abortedError, backoffMs, sleep } from './backoff';
import { allFailed, callersFault, contextTooLong, deadlineError, withTrail } from './call-errors';
import { currentPlan, type ExecutorParts, newProgress, type Progress } from './progress';
import { Trail } from './trail';

/** Failed retries on a stale keep-alive socket that don't count: after these, the endpoint is to blame. */
const STALE_RETRIES = 2;

export interface WholeResult {
  readonly data: ChatCompletion | EmbeddingResponse;
  readonly route: RouteReport;
}

export interface StreamResult {
  readonly sent: StreamedAnswer;
  readonly lease: Lease;
  readonly trail: Trail;
}

type Send<T> = (lease: Lease, options: ExchangeOptions) => Promise<T>;

/** Runs calls through attempts until one is served or nothing is left to try. Every error is an AiBalancerError. */
export class Executor {
  readonly #parts: ExecutorParts;
  readonly #acquirer: Acquirer;

  constructor(parts: ExecutorParts) {
    this.#parts = parts;
    this.#acquirer = new Acquirer(parts);
  }

  async whole(call: Call): Promise<WholeResult> {
    const trail = new Trail(call);
    const { lease, value } = await this.#run(call, trail, ({ endpoint }, options) =>
      endpoint.sendWhole(call, options),
    );
    lease.read(value.reading);
    lease.succeeded(value.usage);
    trail.ended(value.usage);
    return { data: value.data, route: trail.report() };
  }

  /** Resolves at the first content. The lease is still open: whoever reads the rest ends it. */
  async stream(call: Call): Promise<StreamResult> {
    const trail = new Trail(call);
    const { lease, value } = await this.#run(call, trail, ({ endpoint }, options) =>
      endpoint.sendStream(call, options),
    );
    lease.read(value.reading);
    trail.firstToken();
    lease.firstToken();
    return { sent: value, lease, trail };
  }

  async #run<T>(call: Call, trail: Trail, send: Send<T>): Promise<{ lease: Lease; value: T }> {
    this.#parts.budget.onCall();
    try {
      return await this.#attempts(newProgress(call, trail), send);
    } catch (error) {
      throw AiBalancerError.isInstance(error) && error.route === undefined ? withTrail(error, trail) : error;
    }
  }

  async #attempts<T>(progress: Progress, send: Send<T>): Promise<{ lease: Lease; value: T }> {
    const { call, trail } = progress;
    for (;;) {
      if (call.signal.aborted) throw abortedError();
      const lease = await this.#acquirer.acquire(progress);
      const { endpoint } = lease;
      try {
        const value = await send(lease, {
          limitMs: attemptLimitMs(call, endpoint, this.#othersLeft(progress, endpoint)),
          maxResponseBytes: this.#parts.routes().maxResponseBytes,
          signal: call.signal,
        });
        trail.served(endpoint);
        trail.attempt(endpoint, lease.startedAt);
        this.#parts.onAttempt(call, endpoint, undefined);
        return { lease, value };
      } catch (error) {
        if (!(error instanceof UpstreamFailure)) {
          lease.aborted(true);
          throw error;
        }
        await this.#failed(progress, lease, error);
      }
    }
  }

  /** Writes the failure down and returns when another attempt may be made; throws when the call is over. */
  async #failed(progress: Progress, lease: Lease, failure: UpstreamFailure): Promise<void> {
    const { call, trail, tried } = progress;
    const { endpoint } = lease;
    const { detail } = failure;
    if (detail.class === 'aborted') {
      lease.aborted(true);
      throw abortedError();
    }
    if (detail.staleSocket && !failure.answered && progress.staleRetries < STALE_RETRIES) {
      progress.staleRetries++;
      lease.aborted(false);
      return;
    }
    lease.failed(failure);
    trail.attempt(endpoint, lease.startedAt, detail);
    trail.wastedTokens += wastedTokens(call, detail);
    this.#parts.onAttempt(call, endpoint, detail);
    tried.set(endpoint.name, { provider: endpoint.settings.provider, detail });
    this.#narrow(progress, endpoint, detail);
    if (remainingMs(call, performance.now()) <= 0) throw deadlineError(trail);
    if (trail.attempts.length >= this.#parts.routes().retry.maxAttempts) {
      throw allFailed(trail, undefined, 'no attempts are left');
    }
    await this.#backOff(progress);
  }

  /** Leaves the call only the endpoints that its last failure allows; throws where it allows none. */
  #narrow(progress: Progress, endpoint: Endpoint, detail: FailureDetail): void {
    const { trail } = progress;
    const { another } = ruleFor(detail);
    if (another === 'never') throw callersFault(detail, trail);
    if (another === 'larger-window') {
      progress.windowAbove = endpoint.settings.contextWindow;
      if (isEmpty(this.#replan(progress))) throw contextTooLong(detail, trail);
    }
    if (another === 'content-policy-list') {
      const lists = this.#parts.routes().contentPolicyFallbacks;
      progress.models = lists.get(endpoint.settings.model) ?? lists.get('*');
      if (progress.models === undefined) throw callersFault(detail, trail);
      const left = optionsOf(this.#replan(progress)).some(
        ({ endpoint: { name } }) => !progress.tried.has(name),
      );
      if (!left) throw callersFault(detail, trail);
    }
  }

  #replan(progress: Progress): Plan {
    progress.plan = undefined;
    return currentPlan(progress, this.#parts.routes());
  }

  /** Where only endpoints that have failed this call are left, waits before one of them is asked again. */
  async #backOff(progress: Progress): Promise<void> {
    const { call, trail, tried } = progress;
    const routes = this.#parts.routes();
    const options = optionsOf(currentPlan(progress, routes));
    if (options.some(({ endpoint }) => endpoint.weight > 0 && !tried.has(endpoint.name))) return;
    const again = [...tried.values()].some(({ detail }) => ruleFor(detail).sameEndpoint === 'with-backoff');
    if (!again) return;
    const ms = backoffMs(trail.attempts.length - 1, routes.retry);
    if (ms >= remainingMs(call, performance.now()))
      throw allFailed(trail, ms, 'no time is left for another try');
    await sleep(ms, call.signal);
  }

  #othersLeft(progress: Progress, current: Endpoint): boolean {
    const now = performance.now();
    return optionsOf(currentPlan(progress, this.#parts.routes())).some(
      ({ endpoint }) =>
        endpoint !== current &&
        endpoint.weight > 0 &&
        !progress.tried.has(endpoint.name) &&
        endpoint.state(now) === 'closed',
    );
  }
}

function isEmpty(plan: Plan): boolean {
  return plan.stages.every((stage) => stage.length === 0);
}

/** What an upstream may have charged for an attempt that led to no answer, by estimate. */
function wastedTokens(call: Call, { class: failure }: FailureDetail): number {
  return failure === 'server' || failure === 'timeout' || failure === 'bad_answer' ? call.promptTokens : 0;
}
