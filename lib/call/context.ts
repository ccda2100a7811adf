import type { Optional } from '../util/optional';

/** What a request is for. The adaptive strategy compares it with the endpoints' `strengths`. */
export type RequestType = 'chat' | 'embedding' | 'analysis' | 'code';
/** The priority of a call: 1 (lowest) to 5 (highest). */
export type Priority = 1 | 2 | 3 | 4 | 5;

/** What a request needs of its calls. All fields but `requestId`, `type` and `priority` are optional. */
export interface RequestContext {
  /** Identifies the request in reports, events and logs. Default: the request's `x-request-id`, else a UUID. */
  requestId: string;
  /** Default: classified from the body. */
  type: RequestType;
  /**
   * Weight in the wait queue: 5 is the most important, 1 the least. Each level counts 2.5 times the one below, so 5
   * weighs 39 times 1. Default 3.
   */
  priority: Priority;
  /** Deadline of the whole answer, in milliseconds from the start of the call. Default: none beyond the timeouts. */
  maxLatencyMs?: number | undefined;
  /**
   * Highest accepted price, in US dollars per 1,000 tokens: estimated price of the call / (prompt + expected output) *
   * 1000. An endpoint without a price is excluded. Default: no limit.
   */
  maxCostPer1k?: number | undefined;
  /** Lowest accepted `quality` of a model, 0 to 1. Default: no limit. */
  minQuality?: number | undefined;
  /** Estimate of prompt and output tokens together. Default: estimated from the body. */
  estimatedTokens?: number | undefined;
  /** Expected output tokens. Default: learned from similar calls, at most the body's own limit. */
  estimatedOutputTokens?: number | undefined;
  /** The tenant that the call is for. Tenants get fair shares of the wait queue and can have limits. Default: none. */
  tenant?: string | undefined;
  /** Calls of one session prefer the endpoint that has their prompt prefix cached. Default: none. */
  session?: string | undefined;
  /** Only endpoints with all of these tags can serve the call. Default: any. */
  tags?: string[] | undefined;
}

/** Options of one call. They override the context of the request. */
export interface CallOptions extends Optional<RequestContext> {
  /** Aborts the call wherever it is: waiting, in flight or streaming. */
  signal?: AbortSignal | undefined;
  /** Deadline in milliseconds from now. Default: `timeouts.totalMs` or `embeddingsMs`; none for streams. */
  timeoutMs?: number | undefined;
  /** Models tried after the requested one, in order; false for none. Default: those of the configuration. */
  fallbacks?: string[] | false | undefined;
  /** False forbids hedging this call and probing beside it. Default: as configured. */
  hedge?: boolean | undefined;
  /**
   * Calls of one tenant with the same key and body are sent once: a later one joins the first or gets its answer again.
   * Needs `idempotency: true` in the configuration; whole answers only.
   */
  idempotencyKey?: string | undefined;
  /** Name of the only endpoint that may serve this call. Default: any. */
  endpoint?: string | undefined;
  /**
   * True: the answer may come from the cache, and is kept there; false: neither. Needs `cache` in the configuration.
   * Default: with `cache.calls: 'deterministic'`, true for embeddings, with `temperature: 0` and with a `seed`, else
   * false; with 'all', true.
   */
  cache?: boolean | undefined;
}
