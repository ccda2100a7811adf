export type RequestType = 'chat' | 'embedding' | 'analysis' | 'code';
export type Priority = 1 | 2 | 3 | 4 | 5;

/** What a call needs. Everything but `requestId`, `type` and `priority` is optional. */
export interface RequestContext {
  requestId: string;
  type: RequestType;
  /** 1 to 5; 5 is the most important and weighs 16 times 1. Default 3. */
  priority: Priority;
  /** The whole answer must be there within so many milliseconds. */
  maxLatencyMs?: number;
  /** USD per 1,000 tokens: estimated cost of the call / (prompt + expected output) * 1000. */
  maxCostPer1k?: number;
  /** 0 to 1. */
  minQuality?: number;
  /** Prompt and output together. */
  estimatedTokens?: number;
  estimatedOutputTokens?: number;
  /** Who the call is for: tenants take turns in the queue and can have limits. */
  tenant?: string;
  /** Calls of one session prefer the endpoint that has their prefix cached. */
  session?: string;
  /** The endpoint must carry each of these. */
  tags?: string[];
}

/** What one call may say, over what the request's context says. */
export interface CallOptions extends Partial<RequestContext> {
  /** Aborts the call: in the queue, in flight, mid-stream. */
  signal?: AbortSignal;
  /** The call's deadline, in milliseconds from now. */
  timeoutMs?: number;
  /** Models tried after the asked one, in order; false for none. Default: the config's. */
  fallbacks?: string[] | false;
  /** False keeps this call from being hedged. Default: the config's. */
  hedge?: boolean;
  /**
   * Calls of one tenant with the same key and body happen once: a later one joins the first or gets its answer again.
   * Only with the config's `idempotency`, and only for whole answers.
   */
  idempotencyKey?: string;
  /** The name of the one endpoint that may serve this call. */
  endpoint?: string;
}
