// The body is a type parameter so that bodies typed by other packages fit, with or without index signatures.
/* eslint-disable @typescript-eslint/no-unnecessary-type-parameters */
import { EventEmitter } from 'node:events';
import type { BudgetStats } from '../budget/budget';
import type { Budgets } from '../budget/budgets';
import type { AICall } from '../call/ai-call';
import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { ChatBody, EmbeddingBody, ResponseBody } from '../call/body';
import type { CallOptions } from '../call/context';
import { LinkedAbort } from '../call/linked-abort';
import type { AIResponse } from '../call/response';
import { type Cluster, isSameCluster } from '../cluster/cluster';
import { configError, faultAt } from '../config/config-errors';
import type { BalancerConfig, ResolvedConfig } from '../config/options';
import { resolveConfig } from '../config/resolve';
import type { EndpointSlot } from '../endpoint/endpoint';
import { badRequest } from '../errors';
import type { Executor } from '../failover/executor';
import { HedgePolicy } from '../failover/hedge';
import { RetryBudget } from '../failover/retry-budget';
import type { WaitQueue } from '../queue/wait-queue';
import type { ResponseStream } from '../responses/response-stream';
import type { Explanation } from '../route-report';
import type { ChatStream } from '../stream/chat-stream';
import { isObject } from '../util/is-object';
import { Redactor } from '../util/redactor';
import { CallRunner, closedError } from './call-runner';
import { type CanaryHandle, CanaryTrial } from './canary-trial';
import {
  budgetedConfig,
  createBudgets,
  createCluster,
  createExecutor,
  createQueue,
  registryListeners,
} from './components';
import { type EndpointHandle, endpointHandle } from './endpoint-handle';
import { EndpointRegistry } from './endpoint-registry';
import { EventReporter } from './event-reporter';
import type { BalancerEvents } from './events';
import { type BalancerInternals, balancerInternals, INTERNALS } from './internals';
import { type BalancerStats, balancerStats } from './stats';

const BRAND = Symbol.for('express-ai-balancer.balancer');
const DEFAULT_GRACE_MS = 30_000;

/** Balances AI calls over endpoints. Emits {@link BalancerEvents}, never 'error'; a listener that throws affects no call. */
export class Balancer extends EventEmitter<BalancerEvents> {
  readonly #cluster: Cluster | undefined;
  readonly #budgets: Budgets;
  readonly #trial: CanaryTrial;
  readonly #registry: EndpointRegistry;
  readonly #queue: WaitQueue<EndpointSlot>;
  readonly #retryBudget: RetryBudget;
  readonly #hedge: HedgePolicy;
  readonly #executor: Executor;
  readonly #calls: CallRunner;
  readonly #events: EventReporter;
  readonly #redactor = new Redactor();
  #config: ResolvedConfig;
  readonly #closeStarted = new AbortController();
  #closing: Promise<void> | undefined;

  /** @throws ERR_AI_CONFIG that lists every fault. */
  constructor(config: BalancerConfig) {
    super({ captureRejections: true });
    Object.defineProperty(this, BRAND, { value: true });
    this.#config = resolveConfig(config);
    this.#redactor.configure(this.#config.secrets);
    const current = () => this.#config;
    this.#events = new EventReporter(this, current, this.#redactor);
    const wake = (): void => this.#queue.wake();
    this.#cluster = createCluster(this.#config, this.#events, wake);
    this.#budgets = createBudgets(this.#cluster, current, this.#events, wake);
    this.#trial = new CanaryTrial(this.#events, this.#config);
    this.#registry = new EndpointRegistry(
      this.#config,
      registryListeners(this.#events, wake),
      this.#redactor,
      this.#cluster,
      this.#budgets,
      () => this.#trial.routing,
    );
    this.#queue = createQueue(current, this.#events);
    this.#retryBudget = new RetryBudget(this.#config.retry);
    this.#hedge = new HedgePolicy(() => this.#config.hedge);
    this.#executor = createExecutor(this.#events, {
      routes: () => this.#registry.routes,
      queue: this.#queue,
      retryBudget: this.#retryBudget,
      hedge: this.#hedge,
    });
    this.#calls = new CallRunner(
      {
        executor: this.#executor,
        events: this.#events,
        registry: this.#registry,
        queue: this.#queue,
        budgets: this.#budgets,
        sharedStore: this.#cluster?.store,
      },
      this.#config,
    );
    this.#events.configured(this.#config);
  }

  /** True for a balancer made by any copy of this package. */
  static isInstance(value: unknown): value is Balancer {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
  }

  /** @internal Called by Node when an asynchronous listener rejects. Without this method, Node would emit 'error'. */
  override [EventEmitter.captureRejectionSymbol](_error: unknown, event: unknown, ..._args: unknown[]): void {
    this.#events.listenerFailed(String(event));
  }

  /** Answers an OpenAI chat request: a whole answer, or with `stream: true` an async iterable of chunks. */
  chat<
    B extends ChatBody & {
      /** Whether to stream the answer. Default false. */
      stream?: false | null | undefined;
    },
  >(body: B, options?: CallOptions): AICall<ChatCompletion>;
  chat<
    B extends ChatBody & {
      /** Whether to stream the answer. */
      stream: true;
    },
  >(body: B, options?: CallOptions): AICall<ChatStream>;
  chat<B extends ChatBody>(body: B, options?: CallOptions): AICall<ChatCompletion | ChatStream>;
  chat(body: ChatBody, options?: CallOptions): AICall<ChatCompletion | ChatStream> {
    return this.#calls.run('chat', body, options) as AICall<ChatCompletion | ChatStream>;
  }

  /** Answers an OpenAI embeddings request. It never falls back to another model: vectors of two models don't mix. */
  embeddings<B extends EmbeddingBody>(body: B, options?: CallOptions): AICall<EmbeddingResponse> {
    return this.#calls.run('embeddings', body, options) as AICall<EmbeddingResponse>;
  }

  /**
   * Answers an OpenAI Responses request: a whole response, or with `stream: true` an async iterable of events.
   * Endpoints with the capability `responses` get the request unchanged; for others it is translated to chat
   * completions, and the answer back.
   */
  responses<
    B extends ResponseBody & {
      /** Whether to stream the answer. Default false. */
      stream?: false | null | undefined;
    },
  >(body: B, options?: CallOptions): AICall<AIResponse>;
  responses<
    B extends ResponseBody & {
      /** Whether to stream the answer. */
      stream: true;
    },
  >(body: B, options?: CallOptions): AICall<ResponseStream>;
  responses<B extends ResponseBody>(body: B, options?: CallOptions): AICall<AIResponse | ResponseStream>;
  responses(body: ResponseBody, options?: CallOptions): AICall<AIResponse | ResponseStream> {
    return this.#calls.run('responses', body, options) as AICall<AIResponse | ResponseStream>;
  }

  /** @internal For the middlewares and the gateway. */
  get [INTERNALS](): BalancerInternals {
    return balancerInternals({
      calls: this.#calls,
      events: this.#events,
      registry: this.#registry,
      queue: this.#queue,
      closing: this.#closeStarted.signal,
      appTimeoutMs: Math.max(...this.#config.endpoints.map(({ timeouts }) => timeouts.totalMs)),
      sharedStore: this.#cluster?.store,
    });
  }

  /**
   * Returns where a call would go now, and why: every endpoint with the filter that removed it, or its score and the
   * score's terms. Sends and reserves nothing.
   * @throws ERR_AI_BAD_REQUEST; ERR_AI_NO_ENDPOINT if no endpoint serves the model.
   */
  explain(body: ChatBody | EmbeddingBody, options: CallOptions = {}): Explanation {
    const isEmbedding = isObject(body) && 'input' in body && !('messages' in body);
    const call = this.#calls.prepare(isEmbedding ? 'embeddings' : 'chat', body, options, new LinkedAbort());
    this.#budgets.tenants.enter(call.context.tenant);
    const { planner, router } = this.#registry.routes;
    const probing = this.#hedge.mayProbe(call) ? 'beside' : 'by-call';
    return router.explain(planner.tryPlan(call).plan, { now: performance.now(), probing });
  }

  /** A snapshot of the balancer's state. */
  stats(): BalancerStats {
    return balancerStats({
      endpoints: this.#registry.endpoints,
      calls: this.#calls.counts,
      queue: this.#queue,
      budgets: this.#budgets.stats(),
      canary: this.#trial.canary?.stats(),
      shadow: this.#calls.shadowStats,
      listenerFailures: this.#events.listenerFailures,
      cluster: this.#cluster,
    });
  }

  /**
   * Returns the budgets of one tenant: each limit, what is spent and what is reserved. Empty without
   * `budgets.perTenant`, and for a tenant without recent calls in this process.
   */
  tenantBudgets(tenant: string): BudgetStats[] {
    return this.#budgets.tenants.stats(tenant);
  }

  /**
   * Returns a handle for one endpoint, to read its state, disable or enable it, and set its weight.
   * @throws ERR_AI_NO_ENDPOINT
   */
  endpoint(name: string): EndpointHandle {
    return endpointHandle(this.#registry.endpoint(name));
  }

  /** The canary that is tried on a share of the calls; undefined without the option `canary`. */
  get canary(): CanaryHandle | undefined {
    return this.#trial.canary;
  }

  /**
   * Reports the app's score of an answer to the canary's guard. Each of the last 10,000 answered calls that take part
   * in the canary can be scored once.
   * @param requestId `requestId` of the call's route report.
   * @param value From 0, the worst, to 1, the best.
   * @returns Whether the score was accepted; false for a call that takes no part or has been scored before.
   * @throws ERR_AI_BAD_REQUEST if the value is not a number from 0 to 1.
   */
  score(requestId: string, value: number): boolean {
    return this.#trial.score(requestId, value);
  }

  /**
   * Replaces the configuration. Calls in flight finish; quota levels, debts, cooldowns, breakers and latencies carry
   * over by name. The cluster connection stays: of `cluster`, only `onOutage` may change.
   * @throws ERR_AI_CONFIG, with the old configuration still in effect; ERR_AI_CLOSED.
   */
  // eslint-disable-next-line @typescript-eslint/require-await -- a rejection, not a throw
  async reload(config: BalancerConfig): Promise<void> {
    if (this.#closing) throw closedError();
    const resolved = resolveConfig(config);
    if (!isSameCluster(this.#config.cluster, resolved.cluster)) {
      throw configError([
        faultAt(config, ['cluster'], 'the redis and prefix that the balancer was created with'),
      ]);
    }
    this.#config = resolved;
    this.#redactor.configure(resolved.secrets);
    if (resolved.cluster) this.#cluster?.setOnOutage(resolved.cluster.onOutage);
    this.#retryBudget.configure(resolved.retry);
    this.#executor.cancelProbes();
    this.#trial.configure(resolved);
    this.#budgets.configure(budgetedConfig(resolved));
    this.#registry.configure(resolved);
    this.#calls.configure(resolved);
    this.#queue.wake();
  }

  /**
   * Resolves when calls can be served: immediately without a cluster; otherwise when Redis has answered or is known to
   * be unavailable, in which case each process follows `onOutage`.
   * @throws ERR_AI_CONFIG if the cluster's Redis can't be used at all because ioredis is not installed.
   */
  async ready(): Promise<void> {
    await this.#cluster?.ready();
  }

  /**
   * Drains and closes: new calls get ERR_AI_CLOSED; running calls have `graceMs` milliseconds (default 30,000) to
   * finish and are then aborted. The dashboard's live views end immediately. Afterwards nothing keeps the process alive.
   * @throws ERR_AI_BAD_REQUEST if `graceMs` is not a number of at least 0; Infinity is allowed.
   */
  close({ graceMs = DEFAULT_GRACE_MS }: { graceMs?: number | undefined } = {}): Promise<void> {
    if (typeof graceMs !== 'number' || !(graceMs >= 0)) {
      return Promise.reject(badRequest('graceMs', 'expected a number of at least 0'));
    }
    this.#closing ??= this.#drain(graceMs);
    return this.#closing;
  }

  async #drain(graceMs: number): Promise<void> {
    this.#closeStarted.abort();
    await this.#calls.drain(graceMs);
    this.#executor.cancelProbes();
    this.#queue.rejectAll(closedError());
    this.#registry.close();
    await this.#budgets.close();
    await this.#cluster?.close();
  }
}

/** Creates a balancer for use outside a request, or to share between several middlewares. */
export function createBalancer(config: BalancerConfig): Balancer {
  return new Balancer(config);
}
