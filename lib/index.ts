export { Balancer, createBalancer } from './balancer/balancer';
export type { CanaryHandle } from './balancer/canary-trial';
export type { EndpointHandle } from './balancer/endpoint-handle';
export type {
  AttemptEvent,
  BalancerEvents,
  BreakerEvent,
  CallEvent,
  ClusterEvent,
  CooldownEvent,
  HedgeEvent,
  QueueEvent,
  QuotaEvent,
  QuotaLevels,
  RestartEvent,
  StoreEvent,
} from './balancer/events';
export type { AiRequest, RequestAi } from './balancer/request-ai';
export type { BalancerStats, EndpointStats } from './balancer/stats';
export type { BudgetEvent, BudgetScope, BudgetStats } from './budget/budget';
export type {
  BudgetOptions,
  BudgetStore,
  BudgetWindowOptions,
  SpendLimitName,
  SpendLimits,
  TenantBudgetOptions,
  TenantSpendLimit,
} from './budget/options';
export type { CacheOptions, CacheStore } from './cache/options';
export type { AICall, AnswerWithRoute as Served, PipeOptions } from './call/ai-call';
export type {
  ChatCompletion,
  ChatCompletionChunk,
  EmbeddingResponse,
  FinishReason,
  ToolCall,
  Usage,
} from './call/answer';
export type {
  ChatBody,
  ChatMessage,
  EmbeddingBody,
  Operation,
  ResponseBody,
  ResponseInputItem,
} from './call/body';
export type { AppContext } from './call/check-options';
export type { CallOptions, Priority, RequestContext, RequestType } from './call/context';
export type {
  AIResponse,
  ResponseContentPart,
  ResponseIncompleteDetails,
  ResponseItemStatus,
  ResponseOutputItem,
  ResponseStreamEvent,
  ResponseUsage,
} from './call/response';
export type { CanaryEvent, CanaryGuard, CanaryOptions, CanaryStats } from './canary/options';
export type {
  ClusterMode,
  ClusterOptions,
  OutageMode,
  RedisConnection,
  RedisOptions,
} from './cluster/options';
export type { ContextHeader } from './config/middleware-options';
export type { BalancerConfig, HttpOptions, Logger } from './config/options';
export {
  type AiDashboardOptions,
  aiDashboard,
  type DashboardAccess,
  type DashboardExtension,
} from './dashboard/ai-dashboard';
export type { EndpointState } from './endpoint/unavailable-reason';
export {
  AiBalancerError,
  type AiBalancerErrorCode,
  type AiBalancerErrorOptions,
  type OpenAIErrorBody,
  type RouteSummary,
} from './errors';
export type { HedgeOptions, RetryOptions } from './failover/options';
export type { FailureClass } from './failure/classes';
export { classifyAnswer } from './failure/classify-answer';
export type { FailureDetail } from './failure/detail';
export { type AiGatewayOptions, aiGateway } from './gateway/ai-gateway';
export { type CreateFetchOptions, createFetch } from './gateway/create-fetch';
export type { GatewayIdentity } from './gateway/options';
export type { BreakerOptions } from './health/options';
export type {
  AfterResult,
  BeforeResult,
  HookCall,
  HookRefusal,
  HookReturn,
  Hooks,
  TextResult,
  TextWindow,
} from './hooks/options';
export { type AiBalancerOptions, aiBalancer } from './middleware/ai-balancer';
export { type FailoverExecutorOptions, failoverExecutor } from './middleware/failover-executor';
export { rateLimitGuard } from './middleware/rate-limit-guard';
export { type SmartRouterOptions, smartRouter } from './middleware/smart-router';
export type { LatencyProfile, ModelProfile, Price } from './models/profile';
export { anthropicDialect } from './provider/anthropic/anthropic-dialect';
export { azureDialect } from './provider/azure/azure-dialect';
export type {
  Dialect,
  DialectCall,
  DialectEndpoint,
  HttpAnswer,
  HttpHeaders,
  HttpRequest,
  JsonEvent,
  ResponseDialectCall,
  SseEvent,
} from './provider/dialect';
export type { EndpointConfig, Timeouts } from './provider/endpoint-config';
export { geminiDialect } from './provider/gemini/gemini-dialect';
export { openaiDialect } from './provider/openai/openai-dialect';
export {
  type AzureOptions,
  anthropic,
  azureOpenAI,
  deepseek,
  gemini,
  groq,
  holysheep,
  mistral,
  ollama,
  openai,
  openrouter,
  type PresetOptions,
  together,
  xai,
} from './provider/presets';
export {
  type LimitReading,
  readRateLimits,
  type WindowReading,
} from './provider/rate-limits/rate-limit-headers';
export type { QueueOptions } from './queue/wait-queue';
export type { QuotaGroupConfig } from './quota/options';
export type { QuotaLimiters } from './quota/quota-limiter';
export type { ResponseStream } from './responses/response-stream';
export type { AttemptReport, Explanation, RouteReport, Verdict } from './route-report';
export type { Candidate, RoutedCall, Score, ScoreWeights, Strategy, StrategyName } from './routing/strategy';
export type {
  ShadowAnswerer,
  ShadowEvent,
  ShadowOptions,
  ShadowPair,
  ShadowStats,
} from './shadow/options';
export type { ChatStream, StreamOptions } from './stream/chat-stream';
export {
  type InstrumentOptions,
  instrument,
  type MeterLike,
  type TracerLike,
} from './telemetry/opentelemetry';
export { type AiMetricsOptions, aiMetrics, type MetricsRegistry } from './telemetry/prometheus';
export { routeLogLine } from './telemetry/route-log';
export type { RateLimitGuardOptions } from './tenant/guard-options';
export type { Limit, TenantLimitOptions } from './tenant/limits';
export type { RedisClient } from './tenant/limits-redis';
export type { Optional } from './util/optional';
