import type { AxiosInstance, AxiosProxyConfig } from 'axios';
import type { ChatBody, EmbeddingBody } from '../call/body';
import type { RequestType } from '../call/context';
import type { ClusterOptions } from '../cluster/options';
import type { EndpointSettings } from '../endpoint/endpoint-settings';
import type { HedgeOptions, RetryOptions } from '../failover/options';
import type { BreakerOptions } from '../health/options';
import type { ModelProfile } from '../models/profile';
import type { Dialect } from '../provider/dialect';
import type { EndpointConfig, Timeouts } from '../provider/endpoint-config';
import type { QueueOptions } from '../queue/options';
import type { QuotaGroupConfig, QuotaLimits } from '../quota/options';
import type { ScoreWeights, Strategy, StrategyName } from '../routing/strategy';
import type { StreamOptions } from '../stream/options';

/** The part of pino's and console's interface that is used. Messages never hold a key or a prompt. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface HttpOptions {
  /** An axios instance whose interceptors and adapter are kept. Default: a tuned instance for each endpoint. */
  axios?: AxiosInstance;
  /** Default false: the proxy variables of the environment are not read. */
  proxy?: AxiosProxyConfig | false;
  /** The largest answer accepted, in bytes. Default 64 MiB. */
  maxResponseBytes?: number;
}

export interface BalancerConfig {
  endpoints: EndpointConfig[];
  /**
   * Model to the models tried next, in order; '*' for any other. Default: the catalogue's lists, as far as the models
   * have endpoints here; {} turns them off.
   */
  fallbacks?: Record<string, string[]>;
  /** Where a refused prompt may go. Default: nowhere, a refusal is an answer. */
  contentPolicyFallbacks?: Record<string, string[]>;
  /** Limits over the endpoints' own, by the name of the group. */
  quotaGroups?: Record<string, QuotaGroupConfig>;
  strategy?: StrategyName | Strategy;
  scoreWeights?: Partial<ScoreWeights>;
  /** Replaces the built-in guess of a request's type. */
  classify?(body: ChatBody | EmbeddingBody, req?: unknown): RequestType;
  /** Corrects or adds models of the catalogue. */
  models?: Record<string, Partial<ModelProfile>>;
  timeouts?: Partial<Timeouts>;
  retry?: Partial<RetryOptions>;
  breaker?: Partial<BreakerOptions>;
  /** Default: on, within its budget. */
  hedge?: false | Partial<HedgeOptions>;
  queue?: Partial<QueueOptions>;
  /**
   * Sends calls that are the same, in flight at the same time and of one tenant, once: embeddings, and whole answers
   * with temperature 0. Default false.
   */
  coalesce?: boolean;
  /**
   * A call with an `idempotencyKey`, or a request with the header Idempotency-Key, joins the running call of its tenant
   * with the same key, or gets its answer again. Whole answers only. Default false.
   */
  idempotency?: boolean;
  stream?: Partial<StreamOptions>;
  /** Shares the quotas and the news of breakers with other processes, through Redis. Default: this process alone. */
  cluster?: ClusterOptions;
  dialects?: Record<string, Dialect>;
  /** Prompt tokens of a body. Default: an estimate that errs on the safe side. */
  estimateTokens?(body: ChatBody | EmbeddingBody): number;
  logger?: Logger;
  http?: HttpOptions;
}

/** The configuration, checked, with every default filled in. */
export interface ResolvedConfig {
  readonly endpoints: readonly EndpointSettings[];
  /** Model to models, '*' included, only models that have endpoints here. */
  readonly fallbacks: ReadonlyMap<string, readonly string[]>;
  readonly contentPolicyFallbacks: ReadonlyMap<string, readonly string[]>;
  readonly quotaGroups: ReadonlyMap<string, QuotaLimits>;
  readonly strategy: StrategyName | Strategy;
  readonly scoreWeights: ScoreWeights;
  readonly classify: BalancerConfig['classify'];
  readonly retry: RetryOptions;
  readonly breaker: BreakerOptions;
  readonly hedge: false | HedgeOptions;
  readonly queue: QueueOptions;
  readonly coalesce: boolean;
  readonly idempotency: boolean;
  readonly stream: StreamOptions;
  readonly cluster: Required<ClusterOptions> | undefined;
  readonly dialects: ReadonlyMap<string, Dialect>;
  readonly estimateTokens: BalancerConfig['estimateTokens'];
  readonly logger: Logger | undefined;
  readonly http: {
    readonly axios: AxiosInstance | undefined;
    readonly proxy: AxiosProxyConfig | false;
    readonly maxResponseBytes: number;
  };
  /** Models named by endpoints that the catalogue does not know: they work with neutral figures. */
  readonly unknownModels: readonly string[];
}
