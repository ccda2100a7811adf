import { type Call, remainingMs } from '../call/call';
import type { Endpoint, EndpointSlot } from '../endpoint/endpoint';
import { type FailureDetail, ruleFor } from '../failure/detail';
import { type StreamedAnswer, UpstreamFailure } from '../http/exchange';
import { optionsOf, type Plan } from '../routing/plan';
import { attemptLimitMs } from './attempt-limit';
import { abortedError, backoffMs, sleep } from './backoff';
import { allFailed, callersFault, contextTooLong, deadlineError } from './call-errors';
import { currentPlan, type ExecutorParts, type Progress } from './call-state';
import { type Ended, endedWithin, RunningAttempt, type Send } from './running-attempt';
import type { Acquirer } from './slot-acquirer';

/** Failed retries on a stale keep-alive socket that don't count: after these, the endpoint is to blame. */
const STALE_RETRIES = 2;
/** A reused socket that is reset later than this was not stale: the upstream had the request, and died over it. */
const STALE_WITHIN_MS = 500;

/** A failure that has been written down; without a detail where it doesn't count. */
interface Noted {
  readonly endpoint: Endpoint;
  readonly detail: FailureDetail | undefined;
}

/** The attempts of one call, one after another or as a hedge, until one is served or nothing is left to try. */
export class Attempts {
  readonly #parts: ExecutorParts;
  readonly #acquirer: Acquirer;

  constructor(parts: ExecutorParts, acquirer: Acquirer) {
    this.#parts = parts;
    this.#acquirer = acquirer;
  }

  /**
   * Every error is an AiBalancerError, or the app's own.
   * @param given The place for the first attempt, where there is one already.
   */
  async run<T>(
    progress: Progress,
    send: Send<T>,
    given?: EndpointSlot,
  ): Promise<{ lease: EndpointSlot; value: T }> {
    for (let place = given; ; place = undefined) {
      const free = place ?? (await this.#acquirer.acquire(progress));
      const lease = free.isConfirmed ? free : await this.#acquirer.secured(progress, free);
      const first = this.#startFirst(progress, lease, send);
      const ends = await this.#race(progress, first, send);
      const failures = this.#noteAll(progress, ends);
      const won = ends.find((ended) => ended.ok);
      if (won) return { lease: won.attempt.lease, value: won.value };
      for (const { endpoint, detail } of failures) this.narrow(progress, endpoint, detail);
      await this.beforeNext(progress);
    }
  }

  /** What has been given must not be lost where the call can't start: a reload may have left it no endpoint. */
  #startFirst<T>(progress: Progress, lease: EndpointSlot, send: Send<T>): RunningAttempt<T> {
    try {
      return this.#start(progress, lease, send, false);
    } catch (error) {
      lease.abort(false);
      throw error;
    }
  }

  #start<T>(progress: Progress, lease: EndpointSlot, send: Send<T>, hedge: boolean): RunningAttempt<T> {
    const { call } = progress;
    const alternativeMs = this.#alternativeMs(progress, lease.endpoint);
    const limitMs = attemptLimitMs(call, lease.endpoint, alternativeMs);
    const { maxResponseBytes } = this.#parts.routes();
    return new RunningAttempt(lease, hedge, call.signal, (signal) =>
      send(lease, { limitMs, maxResponseBytes, signal, alternativeMs }),
    );
  }

  /**
   * Waits for an attempt, and sends the call a second time where it takes too long to show life: the first answer
   * counts. Ends with the winner, or with the failures of all.
   */
  async #race<T>(progress: Progress, first: RunningAttempt<T>, send: Send<T>): Promise<Ended<T>[]> {
    const delayMs = this.#parts.hedge.delayMs(progress.call, first.lease.endpoint);
    const ended = delayMs === undefined ? await first.ended : await endedWithin(first, delayMs);
    if (ended !== 'late') return [this.#settle(progress, ended)];
    const lease = this.#acquirer.hedge(progress, first.lease.endpoint, this.#parts.hedge);
    if (!lease) return [this.#settle(progress, await first.ended)];
    const second = this.#start(progress, lease, send, true);
    const early = await Promise.race([first.ended, second.ended]);
    const other = early.attempt === first ? second : first;
    if (!early.ok) return [early, this.#settle(progress, await other.ended)];
    other.cancel();
    // The loser's end is only to be written down; the winner doesn't wait for it.
    void other.ended.then((lost) => this.#lost(progress, lost));
    return [this.#settle(progress, early)];
  }

  /** Writes a success down. */
  #settle<T>(progress: Progress, ended: Ended<T>): Ended<T> {
    if (!ended.ok) return ended;
    const { lease, hedge } = ended.attempt;
    progress.trail.served(lease.endpoint);
    progress.trail.attempt(lease.endpoint, lease.startedAt, undefined, hedge);
    this.#parts.onAttempt(progress.call, lease.endpoint, undefined);
    return ended;
  }

  /** The loser of a race: its tokens are waste, and it says nothing against its endpoint. */
  #lost<T>({ call, trail }: Progress, ended: Ended<T>): void {
    const { lease, hedge } = ended.attempt;
    lease.abort(true);
    trail.lost(lease, call.promptTokens, hedge);
    // It had answered too, a moment later.
    if (ended.ok) stopStream(ended.value);
  }

  #noteAll<T>(progress: Progress, ends: readonly Ended<T>[]): Noted[] {
    try {
      return ends.flatMap((ended) => (ended.ok ? [] : [this.#note(progress, ended)]));
    } catch (error) {
      // The call is over: none of its attempts may keep what it holds.
      for (const ended of ends) {
        ended.attempt.lease.abort(true);
        if (ended.ok) stopStream(ended.value);
      }
      throw error;
    }
  }

  /** Writes a failure down. Throws only where the call itself is over. */
  #note<T>(progress: Progress, { error, attempt }: Ended<T> & { ok: false }): Noted {
    const { call, trail, tried } = progress;
    const { lease, hedge } = attempt;
    const { endpoint } = lease;
    if (!(error instanceof UpstreamFailure)) {
      lease.abort(true);
      throw error;
    }
    const { detail } = error;
    if (detail.class === 'aborted') {
      lease.abort(true);
      trail.left(lease, call.promptTokens, hedge);
      throw abortedError();
    }
    if (isStale(lease, error) && progress.staleRetries < STALE_RETRIES) {
      progress.staleRetries++;
      lease.abort(false);
      return { endpoint, detail: undefined };
    }
    if (error instanceof TooSlow) lease.abort(true);
    else lease.fail(error);
    trail.attempt(endpoint, lease.startedAt, detail, hedge);
    trail.wastedTokens += wastedTokens(call, detail);
    this.#parts.onAttempt(call, endpoint, detail);
    tried.set(endpoint.name, { provider: endpoint.settings.provider, detail });
    return { endpoint, detail };
  }

  /** Returns when another attempt may be made; throws when there is no time, no attempt or no endpoint left. */
  async beforeNext(progress: Progress): Promise<void> {
    const { call, trail } = progress;
    if (remainingMs(call, performance.now()) <= 0) throw deadlineError(trail);
    if (trail.attempts.length >= this.#parts.routes().retry.maxAttempts) {
      throw allFailed(trail, this.#acquirer.soonestMs(progress), 'no attempts are left');
    }
    await this.#backOff(progress);
  }

  /** Leaves the call only the endpoints that its last failure allows; throws where it allows none. */
  narrow(progress: Progress, endpoint: Endpoint, detail: FailureDetail | undefined): void {
    if (!detail) return;
    const { trail } = progress;
    const { otherEndpoint: another } = ruleFor(detail);
    if (another === 'never') throw callersFault(detail, trail);
    if (another === 'larger-window') {
      progress.windowAbove = endpoint.settings.contextWindow;
      if (isEmpty(this.#replan(progress))) throw contextTooLong(detail, trail);
    }
    if (another === 'content-policy-list') {
      const lists = this.#parts.routes().contentPolicyFallbacks;
      progress.models = lists.get(endpoint.settings.model) ?? lists.get('*');
      if (progress.models === undefined || !this.#anyUntried(progress)) throw callersFault(detail, trail);
    }
  }

  #anyUntried(progress: Progress): boolean {
    try {
      return optionsOf(this.#replan(progress)).some(({ endpoint: { name } }) => !progress.tried.has(name));
    } catch {
      // The filters leave none: the refusal is the answer.
      return false;
    }
  }

  #replan(progress: Progress): Plan {
    progress.plan = undefined;
    return currentPlan(progress, this.#parts.routes());
  }

  /**
   * Where only endpoints that have failed this call are left, or those left rest for longer, waits before one that has
   * failed is asked again.
   */
  async #backOff(progress: Progress): Promise<void> {
    const { call, trail, tried, left } = progress;
    const routes = this.#parts.routes();
    const again = [...tried].some(
      ([name, { detail }]) => !left.has(name) && ruleFor(detail).sameEndpoint === 'with-backoff',
    );
    if (!again) return;
    progress.backedOff = false;
    const ms = backoffMs(trail.attempts.length - 1, routes.retry);
    const now = performance.now();
    let soonest = Infinity;
    for (const { endpoint } of optionsOf(currentPlan(progress, routes))) {
      const failed = tried.get(endpoint.name);
      const mayServe = !failed || ruleFor(failed.detail).sameEndpoint === 'after-retry-after';
      if (mayServe && !left.has(endpoint.name)) soonest = Math.min(soonest, restMs(endpoint, now));
    }
    const remaining = remainingMs(call, now);
    if (soonest <= ms && soonest < remaining) return;
    if (ms >= remaining) {
      // What rests longer than the backoff may still come in time.
      if (soonest < remaining) return;
      throw allFailed(trail, ms, 'no time is left for another try');
    }
    await sleep(ms, call.signal);
    progress.backedOff = true;
  }

  /** The least time that another endpoint, untried and healthy, is predicted to take; Infinity without one. */
  #alternativeMs(progress: Progress, current: Endpoint): number {
    const now = performance.now();
    let least = Infinity;
    for (const { endpoint } of optionsOf(currentPlan(progress, this.#parts.routes()))) {
      if (endpoint === current || endpoint.weight === 0 || progress.tried.has(endpoint.name)) continue;
      if (endpoint.state(now) === 'closed')
        least = Math.min(least, endpoint.predictLatency(progress.call, now).totalMs);
    }
    return least;
  }
}

/** A stream that has begun, but too late. It says nothing against the endpoint: slowness is not a failure. */
export class TooSlow extends UpstreamFailure {
  constructor() {
    super({ class: 'timeout', message: 'its first token came too late for the answer to end in time' }, true);
  }
}

function isStale({ startedAt }: EndpointSlot, { detail, isAnswered: answered }: UpstreamFailure): boolean {
  return detail.staleSocket === true && !answered && performance.now() - startedAt < STALE_WITHIN_MS;
}

/** Milliseconds until it may be asked; Infinity for one that is open or taken out, which is as good as gone. */
function restMs(endpoint: Endpoint, now: number): number {
  if (endpoint.weight === 0 || !endpoint.breaker.canEnter) return Infinity;
  return Math.max(0, endpoint.cooldownUntil(now) - now);
}

function stopStream(value: unknown): void {
  (value as Partial<StreamedAnswer>).abort?.();
}

function isEmpty(plan: Plan): boolean {
  return plan.stages.every((stage) => stage.length === 0);
}

/** What an upstream may have charged for an attempt that led to no answer, by estimate. */
function wastedTokens(call: Call, { class: failure }: FailureDetail): number {
  return failure === 'server' || failure === 'timeout' || failure === 'bad_answer' ? call.promptTokens : 0;
}
