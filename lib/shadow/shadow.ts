import type { EndpointBudgets } from '../budget/endpoint-budgets';
import { UNITS_PER_USD } from '../budget/options';
import { unitsOfUsage } from '../budget/price';
import type { ChatCompletion, Usage } from '../call/answer';
import type { ChatBody } from '../call/body';
import type { Call } from '../call/call';
import { LinkedAbort } from '../call/linked-abort';
import { settlementOf, settlementOfUsage } from '../endpoint/attempt-outcome';
import type { Endpoint } from '../endpoint/endpoint';
import { exchangeWhole } from '../http/exchange';
import { UpstreamFailure } from '../http/upstream-failure';
import type { Quota } from '../quota/quota';
import { Reservation, type Settlement } from '../quota/reservation';
import { clipUsage } from '../quota/usage-bound';
import type { RouteReport } from '../route-report';
import { callApp, toError } from '../util/app-function';
import { hashShare } from '../util/hash-share';
import type { ResolvedShadow, ShadowEvent, ShadowPair, ShadowStats } from './options';
import { type SpareEndpoint, spareEndpoint } from './spare-capacity';

/** How long an endpoint gets no copies after a failed one, in milliseconds, unless it sends its own Retry-After. */
const PAUSE_MS = 10_000;

export interface ShadowParts {
  readonly endpoints: () => readonly Endpoint[];
  /** Whether a live call is waiting for the quota. */
  readonly isWaitedFor: (quota: Quota) => boolean;
  /** Returns the budgets that pay for the copies; undefined if copies have no budget. */
  readonly budget: () => EndpointBudgets | undefined;
  readonly onEvent: (event: ShadowEvent) => void;
  readonly onCompareFailed: (error: Error) => void;
}

/** An answered call. */
export interface LiveAnswer {
  readonly call: Call;
  readonly answer: ChatCompletion;
  readonly route: RouteReport;
}

interface Copied {
  readonly answer?: ChatCompletion;
  readonly failure?: ShadowPair['shadow']['failure'];
  readonly ms: number;
  readonly costUsd?: number;
}

/**
 * Sends copies of a share of the answered calls to another model or endpoint. A copy starts after its call has been
 * answered, and bypasses breaker, health, statistics and wait queue: its only effect on live calls is the quota that it
 * uses.
 */
export class Shadow {
  readonly #parts: ShadowParts;
  readonly #running = new Map<LinkedAbort, string>();
  readonly #pausedUntil = new Map<string, number>();
  readonly #counts = { answered: 0, failed: 0 };
  readonly #skipped = { concurrency: 0, capacity: 0, budget: 0 };
  #options: ResolvedShadow;
  #maxResponseBytes: number;
  #isClosed = false;

  constructor(options: ResolvedShadow, maxResponseBytes: number, parts: ShadowParts) {
    this.#options = options;
    this.#maxResponseBytes = maxResponseBytes;
    this.#parts = parts;
  }

  configure(options: ResolvedShadow, maxResponseBytes: number): void {
    this.#options = options;
    this.#maxResponseBytes = maxResponseBytes;
  }

  /** Whether a call belongs to the share that is copied. */
  wants(call: Call): boolean {
    const { share, replaces } = this.#options;
    if (this.#isClosed || call.operation !== 'chat' || call.responses) return false;
    if (replaces !== undefined && call.model !== replaces) return false;
    return hashShare(`shadow ${call.context.requestId}`) < share;
  }

  /** Starts a copy of an answered call, if it belongs to the share and there is capacity to spare. Never throws. */
  copy(live: LiveAnswer): void {
    if (!this.wants(live.call) || live.route.shared || this.#isOwn(live.route)) return;
    const abort = new LinkedAbort();
    const copy = this.#copyOf(live.call, abort);
    if (this.#running.size >= this.#options.maxConcurrent) this.#skipped.concurrency++;
    else {
      const spare = this.#spare(copy);
      if (!spare) this.#skipped.capacity++;
      else if (this.#parts.budget()?.obstacle(copy, spare.endpoint.settings.price)) this.#skipped.budget++;
      else void this.#run(live, copy, spare, abort);
    }
  }

  stats(): ShadowStats {
    const { model, endpoint } = this.#options;
    return {
      name: model ?? endpoint ?? '',
      running: this.#running.size,
      ...this.#counts,
      skipped: { ...this.#skipped },
    };
  }

  /** Aborts the running copies. */
  close(): void {
    this.#isClosed = true;
    for (const abort of [...this.#running.keys()]) abort.abort();
  }

  #isOwn({ endpoint, model }: RouteReport): boolean {
    return this.#options.model === undefined
      ? endpoint === this.#options.endpoint
      : model === this.#options.model;
  }

  /** Returns the copied call. It always requests a whole answer, which is easier to compare than a stream. */
  #copyOf(call: Call, signal: LinkedAbort): Call {
    const { stream: _stream, stream_options: _options, ...body } = call.body as ChatBody;
    const now = performance.now();
    return {
      ...call,
      body,
      stream: false,
      startedAt: now,
      deadlineAt: now + this.#options.timeoutMs,
      signal,
      endpoint: undefined,
      excluded: undefined,
    };
  }

  #spare(copy: Call): SpareEndpoint | undefined {
    const { model, endpoint: name } = this.#options;
    const now = performance.now();
    const endpoints = this.#parts
      .endpoints()
      .filter((each) => (model === undefined ? each.name === name : each.settings.model === model))
      .filter((each) => now >= (this.#pausedUntil.get(each.name) ?? 0));
    const running = (at: string): number => [...this.#running.values()].filter((each) => each === at).length;
    return spareEndpoint(copy, endpoints, this.#parts.isWaitedFor, running);
  }

  async #run(live: LiveAnswer, copy: Call, spare: SpareEndpoint, abort: LinkedAbort): Promise<void> {
    const { endpoint } = spare;
    this.#running.set(abort, endpoint.name);
    try {
      const copied = await this.#send(copy, spare);
      if (!copied || this.#isClosed) return;
      if (copied.answer) this.#counts.answered++;
      else this.#counts.failed++;
      this.#parts.onEvent(eventOf(live, endpoint, copied));
      await this.#compare(live, endpoint, copied);
    } catch (error) {
      this.#parts.onCompareFailed(toError(error, 'shadow'));
    } finally {
      this.#running.delete(abort);
    }
  }

  async #compare({ call, answer, route }: LiveAnswer, endpoint: Endpoint, copied: Copied): Promise<void> {
    const { compare, timeoutMs } = this.#options;
    if (!compare) return;
    const { requestId } = call.context;
    const live = {
      endpoint: route.endpoint,
      model: route.model,
      ms: route.totalMs,
      ...costOf(route.costUsd),
    };
    const pair: ShadowPair = {
      call: { requestId, body: call.body as ChatBody, context: call.context },
      live: { ...live, answer },
      shadow: { endpoint: endpoint.name, model: endpoint.settings.model, ...copied },
    };
    await callApp('shadow.compare()', () => compare(pair), timeoutMs);
  }

  /** Resolves to undefined, with nothing sent, if other processes have taken the quota or the budget meanwhile. */
  async #send(copy: Call, { endpoint, cost }: SpareEndpoint): Promise<Copied | undefined> {
    const { settings, quotas, tokensCharged } = endpoint;
    const startedAt = performance.now();
    const spending = this.#parts.budget()?.reserve(copy, settings.price);
    const reservation = new Reservation(quotas, cost, () => tokensCharged.mode === 'reserved', startedAt);
    const settle = (settlement: Settlement): void => {
      reservation.settle(settlement, performance.now());
      spending?.settleAs(settlement);
    };
    const [isConfirmed, isPaid = true] = await Promise.all([reservation.confirm(), spending?.confirm()]);
    if (!isConfirmed || !isPaid) {
      settle({ kind: 'returned' });
      if (isPaid) this.#skipped.capacity++;
      else this.#skipped.budget++;
      return undefined;
    }
    const sentAt = performance.now();
    try {
      const { data, usage, reading } = await exchangeWhole(endpoint.exchange, copy, {
        limitMs: this.#options.timeoutMs,
        maxResponseBytes: this.#maxResponseBytes,
        signal: copy.signal,
        clipUsage: (reported) => clipUsage(reported, copy, settings),
      });
      const now = performance.now();
      if (reading) reservation.correct(reading, now);
      settle(settlementOfUsage(usage));
      const ms = Math.round(now - sentAt);
      return { answer: data as ChatCompletion, ms, ...costOf(priceOf(usage, endpoint)) };
    } catch (error) {
      const isFailure = error instanceof UpstreamFailure;
      settle(isFailure ? settlementOf(error, copy.promptTokens, 0) : { kind: 'kept' });
      if (!isFailure) throw error;
      const { class: failure, status, message, retryAfterMs = PAUSE_MS } = error.detail;
      this.#pausedUntil.set(endpoint.name, performance.now() + retryAfterMs);
      return {
        failure: { class: failure, message, ...(status === undefined ? {} : { status }) },
        ms: Math.round(performance.now() - sentAt),
      };
    }
  }
}

function eventOf({ call, route }: LiveAnswer, endpoint: Endpoint, copied: Copied): ShadowEvent {
  const { failure, ms, costUsd } = copied;
  return {
    requestId: call.context.requestId,
    endpoint: endpoint.name,
    model: endpoint.settings.model,
    ...(failure ? { failure: failure.class } : {}),
    ms,
    ...costOf(costUsd),
    liveMs: route.totalMs,
    ...(route.costUsd === undefined ? {} : { liveCostUsd: route.costUsd }),
  };
}

function priceOf(usage: Usage, { settings }: Endpoint): number | undefined {
  return settings.price && unitsOfUsage(usage, settings.price) / UNITS_PER_USD;
}

function costOf(costUsd: number | undefined): { costUsd?: number } {
  return costUsd === undefined ? {} : { costUsd };
}
