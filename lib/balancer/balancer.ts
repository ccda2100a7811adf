// A type parameter on the body lets one typed by another package in, index signatures or not.
/* eslint-disable @typescript-eslint/no-unnecessary-type-parameters */
import { EventEmitter } from 'node:events';
import { type AICall, AICallPromise } from '../call/ai-call';
import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { ChatBody, EmbeddingBody, Operation } from '../call/body';
import type { Call } from '../call/call';
import type { CallGate } from '../call/call-hooks';
import type { CallOptions, Priority } from '../call/context';
import { LinkedAbort } from '../call/linked-abort';
import { type PrepareParts, prepareCall } from '../call/prepare';
import type { Explanation, RouteReport } from '../call/report';
import { ExpectedOutput } from '../call/tokens';
import { TextMeter } from '../call/tokens-text';
import { Cluster, isSameCluster } from '../cluster/cluster';
import type { ClusterMode } from '../cluster/options';
import type { SideStore } from '../cluster/redis/shared-store';
import { configError, faultAt } from '../config/config-errors';
import type { BalancerConfig, ResolvedConfig } from '../config/options';
import { resolveConfig } from '../config/resolve';
import type { Endpoint, EndpointSlot, EndpointState } from '../endpoint/endpoint';
import { AiBalancerError, badRequest } from '../errors';
import { Coalescer, isRepeatable } from '../failover/coalesce';
import { Executor, type StreamResult, type WholeEnd } from '../failover/executor';
import { HedgePolicy } from '../failover/hedge';
import { Idempotency } from '../failover/idempotency';
import { RetryBudget } from '../failover/retry-budget';
import { StreamRecovery } from '../failover/stream-recovery';
import { StreamSession, type StreamSessionParts } from '../failover/stream-session';
import type { FailureDetail } from '../failure/detail';
import { WaitQueue } from '../queue/wait-queue';
import { classify } from '../routing/classify';
import { ChatEventStream, type ChatStream } from '../stream/chat-stream';
import { UsageMeter } from '../stream/usage-meter';
import { type Answer, CallOutcome } from './call-outcome';
import { CallTracker, checkCall, closedError } from './call-tracker';
import { EndpointRegistry } from './endpoint-registry';
import type { BalancerEvents } from './events';
import { type BalancerStats, endpointStats, isHealthy } from './stats';
import type { TrackedCall } from './tracked-call';

const BRAND = Symbol.for('express-ai-balancer.balancer');
/** @internal The door for `req.ai` and the gateway, across copies of this package. */
export const CALL = Symbol.for('express-ai-balancer.call');
/** @internal The guard's question: is there room for a call of that priority? */
export const ADMISSION_ERROR = Symbol.for('express-ai-balancer.house-full');
/** @internal The guard's news of its store. */
export const REPORT_STORE_STATE = Symbol.for('express-ai-balancer.store-news');
/** @internal Where the guard counts when it has no Redis of its own: the cluster's. */
export const SHARED_STORE = Symbol.for('express-ai-balancer.side-store');
const DEFAULT_GRACE_MS = 30_000;
/** The gate of a call that nothing stands before. */
const NO_HOOKS: CallGate = {};

/** What an app may do with one endpoint while it runs. */
export interface EndpointHandle {
  readonly name: string;
  readonly state: EndpointState;
  /** Takes no new calls until enabled. */
  disable(): void;
  /** Takes calls again: ends a rest and closes the breaker. */
  enable(): void;
  /** @param weight 0 or more; 0 takes it out. */
  setWeight(weight: number): void;
}

/**
 * Spreads AI calls over endpoints. Emits the events of {@link BalancerEvents}; never emits 'error', and a listener
 * that throws harms no call.
 */
export class Balancer extends EventEmitter<BalancerEvents> {
  readonly #cluster: Cluster | undefined;
  readonly #registry: EndpointRegistry;
  readonly #queue: WaitQueue<EndpointSlot>;
  readonly #budget: RetryBudget;
  readonly #executor: Executor;
  readonly #coalescer = new Coalescer((call) => this.#executor.whole(call));
  readonly #idempotency = new Idempotency((call) => this.#executor.whole(call));
  readonly #expectedOutput = new ExpectedOutput();
  readonly #running = new CallTracker({
    prepareParts: () => this.#prepare,
    openStream: (running, result, onEnd) => this.#openStream(running, result, onEnd),
    onSuccess: (call, route) => this.#learn(call, route),
    onEnd: (call, error) =>
      this.#emitEvent('call', {
        requestId: call.context.requestId,
        operation: call.operation,
        ms: performance.now() - call.startedAt,
        ...(AiBalancerError.isInstance(error) ? { code: error.code } : {}),
      }),
  });
  #config: ResolvedConfig;
  #prepare: PrepareParts;
  #closing: Promise<void> | undefined;

  /** @throws ERR_AI_CONFIG that lists every fault. */
  constructor(config: BalancerConfig) {
    super();
    Object.defineProperty(this, BRAND, { value: true });
    this.#config = resolveConfig(config);
    this.#cluster = this.#config.cluster && this.#createCluster(this.#config.cluster);
    this.#registry = new EndpointRegistry(
      this.#config,
      {
        onState: (endpoint, state) => this.#emitEvent('breaker', { endpoint: endpoint.name, state }),
        onCooldown: (endpoint, detail, restMs, announced) =>
          this.#onCooldown(endpoint, detail, restMs, announced),
        onCapacity: () => this.#queue.wake(),
      },
      this.#cluster,
    );
    const maxSize = (): number => this.#config.queue.maxSize;
    this.#queue = new WaitQueue<EndpointSlot>({
      get maxSize() {
        return maxSize();
      },
    });
    this.#budget = new RetryBudget(this.#config.retry);
    this.#executor = new Executor({
      routes: () => this.#registry.routes,
      queue: this.#queue,
      retryBudget: this.#budget,
      hedge: new HedgePolicy(() => this.#config.hedge),
      onAttempt: (call, endpoint, detail) => this.#onAttempt(call, endpoint, detail),
    });
    this.#prepare = this.#prepareParts();
    for (const model of this.#config.unknownModels) {
      this.#config.logger?.warn({ model }, 'a model the catalogue does not know: neutral figures are used');
    }
  }

  /** True for a balancer of any copy of this package. */
  static isInstance(value: unknown): value is Balancer {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
  }

  /** Answers an OpenAI chat request: whole, or with `stream: true` as an async iterable of chunks. */
  chat<B extends ChatBody & { stream?: false | null }>(
    body: B,
    options?: CallOptions,
  ): AICall<ChatCompletion>;
  chat<B extends ChatBody & { stream: true }>(body: B, options?: CallOptions): AICall<ChatStream>;
  chat<B extends ChatBody>(body: B, options?: CallOptions): AICall<ChatCompletion | ChatStream>;
  chat(body: ChatBody, options?: CallOptions): AICall<ChatCompletion | ChatStream> {
    return this[CALL]('chat', body, options, NO_HOOKS) as AICall<ChatCompletion | ChatStream>;
  }

  /** Answers an OpenAI embeddings request. It never moves to another model: vectors of two models don't mix. */
  embeddings<B extends EmbeddingBody>(body: B, options?: CallOptions): AICall<EmbeddingResponse> {
    return this[CALL]('embeddings', body, options, NO_HOOKS) as AICall<EmbeddingResponse>;
  }

  /** @internal A call behind a gate: what `req.ai` and the gateway are made of. */
  [CALL](operation: Operation, body: unknown, options: CallOptions = {}, hooks: CallGate): AICall<Answer> {
    const outcome = new CallOutcome(operation === 'chat' && isStreamed(body));
    const answer = new AICallPromise(outcome);
    void this.#send(outcome, operation, body, options, hooks);
    return answer;
  }

  /**
   * @internal The error with which a call of the usual size, that priority and the default deadline would be refused
   * if it came now; undefined when it could start or wait.
   */
  [ADMISSION_ERROR](priority: Priority, tenant: string): AiBalancerError | undefined {
    if (this.#queue.size === 0) return undefined;
    const open = this.#registry.endpoints.filter(({ weight }) => weight > 0);
    return this.#queue.refusal({
      poolKey: `door ${this.#registry.routes.generation} ${open.map(({ name }) => name).join(',')}`,
      resources: [...new Set(open.map(({ quota }) => quota))],
      priority,
      tenant,
      promptTokens: this.#running.meanTokens,
      outputTokens: 0,
      deadlineAt: performance.now() + this.#prepare.totalMs.chat,
      serviceMs: 0,
      tryStart: () => ({ kind: 'waiting', waitMs: Infinity }),
    });
  }

  /** @internal */
  [REPORT_STORE_STATE](guard: string, isDown: boolean, error: unknown): void {
    const event = { guard, isDown };
    this.#emitEvent('store', event);
    const { logger } = this.#config;
    if (!isDown) logger?.info(event, 'the store of the limits answers again');
    else {
      const reason = error instanceof Error ? error.message.slice(0, 200) : 'unknown';
      logger?.warn({ ...event, reason }, 'the store of the limits is down: this process counts for itself');
    }
  }

  /** @internal */
  get [SHARED_STORE](): SideStore | undefined {
    return this.#cluster?.store;
  }

  /**
   * Says where a call would go now, and why: every endpoint with the filter that removed it, or its score with the
   * terms. Sends and reserves nothing.
   * @throws ERR_AI_BAD_REQUEST; ERR_AI_NO_ENDPOINT for a model that nobody serves.
   */
  explain(body: ChatBody | EmbeddingBody, options: CallOptions = {}): Explanation {
    const operation = isObject(body) && 'input' in body && !('messages' in body) ? 'embeddings' : 'chat';
    const checkedBody = checkCall(operation, body, options);
    const call = prepareCall(operation, checkedBody, options, new LinkedAbort(), this.#prepare);
    const { planner, router } = this.#registry.routes;
    return router.explain(planner.survey(call).plan, performance.now());
  }

  stats(): BalancerStats {
    const now = performance.now();
    const endpoints = this.#registry.endpoints.map((endpoint) => endpointStats(endpoint, now));
    return {
      total: endpoints.length,
      healthy: endpoints.filter(isHealthy).length,
      calls: { ...this.#running.counts },
      queue: { size: this.#queue.size, byPriority: this.#queue.byPriority() },
      endpoints,
      ...(this.#cluster ? { cluster: { mode: this.#cluster.mode, members: this.#cluster.members } } : {}),
    };
  }

  /** @throws ERR_AI_NO_ENDPOINT */
  endpoint(name: string): EndpointHandle {
    const endpoint = this.#registry.endpoint(name);
    return {
      name,
      get state() {
        return endpoint.state(performance.now());
      },
      disable: () => endpoint.disable(),
      enable: () => endpoint.enable(),
      setWeight: (weight) => {
        if (!Number.isFinite(weight) || weight < 0) {
          throw badRequest('weight', `expected a number of at least 0, got ${weight}`);
        }
        endpoint.setWeight(weight);
      },
    };
  }

  /**
   * Takes a new configuration. Calls in flight finish; levels, debts, rests, breakers and latencies carry over by name.
   * The cluster stays the one it was made with; only its `onOutage` may change.
   * @throws ERR_AI_CONFIG, and nothing has changed; ERR_AI_CLOSED.
   */
  // eslint-disable-next-line @typescript-eslint/require-await -- a rejection, not a throw
  async reload(config: BalancerConfig): Promise<void> {
    if (this.#closing) throw closedError();
    const resolved = resolveConfig(config);
    if (!isSameCluster(this.#config.cluster, resolved.cluster)) {
      throw configError([
        faultAt(config, ['cluster'], 'the redis and prefix that the balancer was made with'),
      ]);
    }
    this.#config = resolved;
    if (resolved.cluster) this.#cluster?.setOnOutage(resolved.cluster.onOutage);
    this.#budget.configure(resolved.retry);
    this.#registry.configure(resolved);
    this.#prepare = this.#prepareParts();
    this.#queue.wake();
  }

  /**
   * Resolves when calls can be served: without a cluster at once, with one when Redis has answered, or is known to be
   * away, since then each process goes on by `onOutage`.
   * @throws ERR_AI_CONFIG where the cluster's Redis can't be used at all: ioredis is not installed.
   */
  async ready(): Promise<void> {
    await this.#cluster?.ready();
  }

  /**
   * Drains: running calls finish within `graceMs` (default 30,000), then they are cancelled; new ones get
   * ERR_AI_CLOSED. Afterwards nothing of the balancer keeps the process alive.
   * @throws ERR_AI_BAD_REQUEST where `graceMs` is no number of 0 or more; Infinity is one.
   */
  close({ graceMs = DEFAULT_GRACE_MS }: { graceMs?: number } = {}): Promise<void> {
    if (typeof graceMs !== 'number' || !(graceMs >= 0)) {
      return Promise.reject(badRequest('graceMs', 'expected a number of at least 0'));
    }
    this.#closing ??= this.#drain(graceMs);
    return this.#closing;
  }

  async #drain(graceMs: number): Promise<void> {
    await this.#running.drain(graceMs);
    this.#queue.rejectAll(closedError());
    this.#registry.close();
    await this.#cluster?.close();
  }

  #createCluster(options: NonNullable<ResolvedConfig['cluster']>): Cluster {
    return new Cluster(options, {
      onMode: (mode, members, reason) => this.#onClusterMode(mode, members, reason),
      onRoom: () => this.#queue.wake(),
    });
  }

  #onClusterMode(mode: ClusterMode, members: number, reason: string | undefined): void {
    const event = { mode, members };
    this.#emitEvent('cluster', event);
    const { logger } = this.#config;
    if (mode === 'shared') logger?.info(event, 'quotas are shared through Redis');
    else logger?.warn({ ...event, reason }, 'Redis is away: quotas are kept as onOutage says');
  }

  /** Over long before the call is: where it waits, no frame of a function waits with it. */
  async #send(
    outcome: CallOutcome,
    operation: Operation,
    body: unknown,
    options: CallOptions,
    hooks: CallGate,
  ): Promise<void> {
    let running: TrackedCall;
    try {
      running = this.#running.start(outcome, operation, body, options, hooks);
    } catch (error) {
      outcome.fail(error);
      return;
    }
    try {
      await hooks.admit?.(running.call);
    } catch (error) {
      running.reject(error);
      return;
    }
    if (running.call.stream) this.#executor.stream(running);
    else this.#sendWhole(running, options.idempotencyKey);
  }

  #sendWhole(calls: TrackedCall, key: string | undefined): void {
    const { coalesce, idempotency } = this.#config;
    const onFinish = (end: WholeEnd): void => calls.finished(end);
    if (idempotency && key !== undefined) void this.#idempotency.run(key, calls.call).then(onFinish);
    else if (coalesce && isRepeatable(calls.call)) void this.#coalescer.run(calls.call).then(onFinish);
    else this.#executor.whole(calls);
  }

  #openStream(
    { call, hooks: hooks }: TrackedCall,
    result: StreamResult,
    onEnd: StreamSessionParts['onEnd'],
  ): ChatStream {
    const session = new StreamSession(call, result, {
      newMeter: ({ promptTokens }) =>
        new UsageMeter({ promptTokens, estimateTokens: (text) => new TextMeter().tokens(text) }),
      recovery: new StreamRecovery(
        this.#executor,
        call,
        this.#config.stream.recovery,
        hooks.restarts ?? true,
      ),
      onRestart: () => data.notifyRestart(),
      onEnd,
    });
    const data: ChatEventStream = new ChatEventStream({
      first: result.sent.first,
      events: session.events(),
      route: () => result.recorder.report(),
      onOpen: () => session.readingStarted(),
      abort: () => session.abort(),
    });
    return data;
  }

  #learn(call: Call, route: RouteReport): void {
    if (call.operation === 'chat' && route.usage) {
      this.#expectedOutput.learn(call.model ?? '', call.context.tenant, route.usage.completion_tokens);
    }
    this.#registry.learnCached(call, route);
  }

  #onAttempt(call: Call, endpoint: Endpoint, detail: FailureDetail | undefined): void {
    this.#emitEvent('attempt', {
      requestId: call.context.requestId,
      endpoint: endpoint.name,
      model: endpoint.settings.model,
      ...(detail ? { class: detail.class } : {}),
      ...(detail?.status === undefined ? {} : { status: detail.status }),
    });
  }

  #onCooldown(endpoint: Endpoint, detail: FailureDetail, cooldownMs: number, shouldWarn: boolean): void {
    const event = { endpoint: endpoint.name, class: detail.class, cooldownMs: Math.round(cooldownMs) };
    this.#emitEvent('cooldown', event);
    if (shouldWarn)
      this.#config.logger?.warn(
        event,
        'the endpoint takes no calls until the cooldown ends or the cause is fixed and the endpoint is enabled',
      );
  }

  #emitEvent<K extends keyof BalancerEvents>(name: K, event: BalancerEvents[K][0]): void {
    if (this.listenerCount(name) === 0) return;
    try {
      (this as EventEmitter).emit(name, event);
    } catch {
      this.#config.logger?.error({ event: name }, 'a listener threw');
    }
  }

  #prepareParts(): PrepareParts {
    const { endpoints, estimateTokens, classify: own } = this.#config;
    return {
      classify: own ?? classify,
      estimateTokens,
      expectedOutput: this.#expectedOutput,
      totalMs: {
        chat: Math.max(...endpoints.map(({ timeouts }) => timeouts.totalMs)),
        embeddings: Math.max(...endpoints.map(({ timeouts }) => timeouts.embeddingsMs)),
      },
    };
  }
}

/** A balancer for use outside a request, or under several middlewares. */
export function createBalancer(config: BalancerConfig): Balancer {
  return new Balancer(config);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isStreamed(body: unknown): boolean {
  try {
    return isObject(body) && (body as { stream?: unknown }).stream === true;
  } catch {
    // A getter of the app's that throws: the call rejects when it comes to it again, and never throws.
    return false;
  }
}
