import type { AxiosInstance, AxiosProxyConfig } from 'axios';
import type { BudgetOptions, ResolvedBudgets, SpendLimits } from '../budget/options';
import type { CacheOptions, ResolvedCacheOptions } from '../cache/options';
import type { ChatBody, EmbeddingBody } from '../call/body';
import type { RequestType } from '../call/context';
import type { CanaryOptions, ResolvedCanary } from '../canary/options';
import type { ClusterOptions } from '../cluster/options';
import type { EndpointSettings } from '../endpoint/endpoint-settings';
import type { HedgeOptions, RetryOptions } from '../failover/options';
import type { BreakerOptions } from '../health/options';
import type { Hooks, ResolvedHooks } from '../hooks/options';
import type { ProxySetting } from '../http/connection/proxy';
import type { ModelProfile } from '../models/profile';
import type { Dialect } from '../provider/dialect';
import type { EndpointConfig, Timeouts } from '../provider/endpoint-config';
import type { QueueOptions } from '../queue/wait-queue';
import type { QuotaGroupConfig, QuotaLimits } from '../quota/options';
import type { ScoreWeights, Strategy, StrategyName } from '../routing/strategy';
import type { ResolvedShadow, ShadowOptions } from '../shadow/options';
import type { StreamOptions } from '../stream/chat-stream';
import type { Optional } from '../util/optional';

/** The methods of pino and console that the balancer uses. Messages never contain a key or a prompt. */
export interface Logger {
  /** Writes details for troubleshooting. */
  debug(fields: object, message: string): void;
  /** Writes changes of state. */
  info(fields: object, message: string): void;
  /** Writes something that somebody should look at. */
  warn(fields: object, message: string): void;
  /** Writes a failure. */
  error(fields: object, message: string): void;
}

/** How requests are sent. */
export interface HttpOptions {
  /**
   * An axios instance whose interceptors, adapter and agents are used. Without its own adapter or agent, its requests
   * use the balancer's connections. Default: the balancer's own instance.
   */
  axios?: AxiosInstance | undefined;
  /**
   * An HTTP proxy; 'env' for the proxies that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name, read at start-up; or false for
   * none. https: endpoints are reached through a tunnel (CONNECT), so that the proxy sees no key. Default false.
   */
  proxy?: AxiosProxyConfig | 'env' | false | undefined;
  /** Largest accepted whole answer in bytes; a stream may have 8 times as many. Default 33,554,432 (32 MiB). */
  maxResponseBytes?: number | undefined;
}

/** The configuration of a balancer. Checked as a whole: an invalid or unknown option throws ERR_AI_CONFIG. */
export interface BalancerConfig {
  /** Where calls can go. At least one. */
  endpoints: EndpointConfig[];
  /**
   * For each model, the models to try after it, in order; '*' applies to models without an entry. The lists replace the
   * default: the catalogue's lists, limited to models that have endpoints. `{}` turns fallbacks off.
   */
  fallbacks?: Record<string, string[]> | undefined;
  /**
   * For each model, the models to try after a provider has refused the content of a call. Default: none, so such a call
   * fails with ERR_AI_CONTENT_POLICY.
   */
  contentPolicyFallbacks?: Record<string, string[]> | undefined;
  /** Limits that the endpoints of a `quotaGroup` share, by group name. Default: the lowest limits of its endpoints. */
  quotaGroups?: Record<string, QuotaGroupConfig> | undefined;
  /** Overall limits in US dollars, and settings of all budgets. Default: no limit; see {@link BudgetOptions}. */
  budgets?: BudgetOptions | undefined;
  /** A model or endpoint that is tried on a share of the calls, and rolled back if it is worse. Default: none. */
  canary?: CanaryOptions | undefined;
  /** Sends copies of a share of the calls to a model or endpoint, and discards its answers. Default: none. */
  shadow?: ShadowOptions | undefined;
  /** How an endpoint is chosen among those that can serve a call. Default 'adaptive'. */
  strategy?: StrategyName | Strategy | undefined;
  /** Weights of the adaptive strategy's terms. Default: see {@link ScoreWeights}. */
  scoreWeights?: Optional<ScoreWeights> | undefined;
  /** Returns the type of a request. Default: a classification by keywords and structure of the body. */
  classify?(body: ChatBody | EmbeddingBody, req?: unknown): RequestType;
  /**
   * Models to add to the catalogue; for a model that the catalogue has, values that override its own. Default: none.
   */
  models?: Record<string, Optional<ModelProfile>> | undefined;
  /** Timeouts of all endpoints. Default: see {@link Timeouts}. */
  timeouts?: Optional<Timeouts> | undefined;
  /** Attempts, retry budget and backoff. Default: see {@link RetryOptions}. */
  retry?: Optional<RetryOptions> | undefined;
  /** When a breaker opens and how long it stays open. Default: see {@link BreakerOptions}. */
  breaker?: Optional<BreakerOptions> | undefined;
  /**
   * Second attempts for calls that take unusually long, and probes in parallel to served calls; false turns both off.
   * Default: see {@link HedgeOptions}.
   */
  hedge?: false | Optional<HedgeOptions> | undefined;
  /** Bounds of the wait queue. Default: see {@link QueueOptions}. */
  queue?: Optional<QueueOptions> | undefined;
  /**
   * Sends equal calls of one tenant that are in flight at the same time only once. Applies to embeddings, and to chat
   * calls with temperature 0 that are not streamed. Default false.
   */
  coalesce?: boolean | undefined;
  /**
   * A call with an `idempotencyKey`, or of a request with the header Idempotency-Key, joins the running call of its
   * tenant with the same key or gets that call's answer again. Whole answers only. Default false.
   */
  idempotency?: boolean | undefined;
  /** Answers repeated calls of a tenant from a cache. Default: no cache. See {@link CacheOptions}. */
  cache?: CacheOptions | undefined;
  /** Functions that see every call and its answer, and may change, refuse or replace it. Default: none. See {@link Hooks}. */
  hooks?: Hooks | Hooks[] | undefined;
  /** What happens to broken streams. Default: see {@link StreamOptions}. */
  stream?: Optional<StreamOptions> | undefined;
  /** Shares quotas and health with other processes through Redis. Default: this process alone. */
  cluster?: ClusterOptions | undefined;
  /**
   * Dialects of further providers, by the name that an endpoint's `provider` uses. They are added to the built-in ones;
   * one with the name of a built-in dialect replaces it. Default: none.
   */
  dialects?: Record<string, Dialect> | undefined;
  /** Returns the number of prompt tokens of a body. Default: an estimate that tends to be slightly too high. */
  estimateTokens?: ((body: ChatBody | EmbeddingBody) => number) | undefined;
  /**
   * Receives a line at level warn when somebody has to act, one per call at info and one per attempt at debug. Default:
   * warnings and errors go to console.warn, everything else is dropped. `false`: nothing is logged.
   */
  logger?: Logger | false | undefined;
  /** How requests are sent. Default: see {@link HttpOptions}. */
  http?: HttpOptions | undefined;
}

/** A checked configuration with every default filled in. */
export interface ResolvedConfig
  extends Readonly<Pick<BalancerConfig, 'classify' | 'estimateTokens' | 'logger'>> {
  readonly endpoints: readonly EndpointSettings[];
  /** Fallback models by model or '*'. All of them have endpoints. */
  readonly fallbacks: ReadonlyMap<string, readonly string[]>;
  readonly contentPolicyFallbacks: ReadonlyMap<string, readonly string[]>;
  readonly quotaGroups: ReadonlyMap<string, QuotaLimits>;
  readonly budgets: ResolvedBudgets;
  readonly canary: ResolvedCanary | undefined;
  readonly shadow: ResolvedShadow | undefined;
  /** Limits of quota groups in US dollars, by name. */
  readonly groupBudgets: ReadonlyMap<string, SpendLimits>;
  readonly strategy: StrategyName | Strategy;
  readonly scoreWeights: ScoreWeights;
  readonly retry: RetryOptions;
  readonly breaker: BreakerOptions;
  readonly hedge: false | HedgeOptions;
  readonly queue: QueueOptions;
  readonly coalesce: boolean;
  readonly idempotency: boolean;
  readonly cache: ResolvedCacheOptions | undefined;
  readonly hooks: readonly ResolvedHooks[];
  readonly stream: StreamOptions;
  readonly cluster: Required<ClusterOptions> | undefined;
  readonly dialects: ReadonlyMap<string, Dialect>;
  readonly http: {
    readonly axios: AxiosInstance | undefined;
    readonly proxy: ProxySetting;
    readonly maxResponseBytes: number;
  };
  /** Keys, header values and credentials, which are never shown. */
  readonly secrets: readonly string[];
  /** Names of endpoints whose `apiKey` is given but undefined. */
  readonly undefinedKeys: readonly string[];
  /** Models of endpoints that are not in the catalogue, so that neutral values are used for them. */
  readonly unknownModels: readonly string[];
}
