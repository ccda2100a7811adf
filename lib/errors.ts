import { homepage, version } from '../package.json';
import type { AttemptReport, RouteReport } from './route-report';

/** The codes of all errors that this package throws on purpose. See docs/errors.md. */
export type AiBalancerErrorCode =
  | 'ERR_AI_CONFIG'
  | 'ERR_AI_NO_ENDPOINT'
  | 'ERR_AI_CONTEXT_WINDOW'
  | 'ERR_AI_BAD_REQUEST'
  | 'ERR_AI_CONTENT_POLICY'
  | 'ERR_AI_TENANT_LIMIT'
  | 'ERR_AI_BUDGET'
  | 'ERR_AI_SATURATED'
  | 'ERR_AI_UNAVAILABLE'
  | 'ERR_AI_DEADLINE'
  | 'ERR_AI_ALL_FAILED'
  | 'ERR_AI_STREAM_BROKEN'
  | 'ERR_AI_ABORTED'
  | 'ERR_AI_CLOSED';

/** The route of a failed call: a {@link RouteReport} of how far it got. */
export type RouteSummary = RouteReport;

/** The fields of an {@link AiBalancerError}. */
export interface AiBalancerErrorOptions {
  /** HTTP status for the response. Default 500. */
  readonly status?: number | undefined;
  /** Whether the same call can succeed later. Default false. */
  readonly retryable?: boolean | undefined;
  /** The soonest time at which a retry can succeed, in milliseconds from now. Default: unknown. */
  readonly retryAfterMs?: number | undefined;
  /** The attempts that were made. Default: none. */
  readonly attempts?: readonly AttemptReport[] | undefined;
  /** Report of how far the call got. Default: none. */
  readonly route?: RouteReport | undefined;
  /** Name of the invalid field, for the OpenAI-shaped body. */
  readonly param?: string | undefined;
  /** The upstream's error `type`, for the OpenAI-shaped body. */
  readonly type?: string | undefined;
  /** The upstream's error `code`, for the OpenAI-shaped body. */
  readonly upstreamCode?: string | undefined;
  /**
   * Message that a client may read: it contains no endpoint name, and no upstream message unless the caller is at
   * fault. Default: a general sentence for codes whose messages contain either, otherwise the message.
   */
  readonly publicMessage?: string | undefined;
  /** The part of a streamed answer that had arrived, for ERR_AI_STREAM_BROKEN. */
  readonly partialText?: string | undefined;
}

/** Public messages of the errors whose own message names endpoints, quotes an upstream or describes the server. */
const PUBLIC_MESSAGES: Partial<Record<AiBalancerErrorCode, string>> = {
  ERR_AI_CONFIG: 'The server is not configured correctly.',
  ERR_AI_NO_ENDPOINT: 'No endpoint can serve this request.',
  ERR_AI_BUDGET: 'The budget for AI calls is spent.',
  ERR_AI_UNAVAILABLE: 'No endpoint is available at the moment.',
  ERR_AI_ALL_FAILED: 'Every endpoint that was tried failed.',
  ERR_AI_STREAM_BROKEN: 'The answer broke off before it was complete.',
};

const BRAND = Symbol.for('express-ai-balancer.error');
/** URL of this version's documents in the repository, because the package does not contain them. */
export const PAGES = `${homepage.replace(/#.*$/, '')}/blob/v${version}/`;
/** The page that has a section for each code. */
const TROUBLESHOOTING = `${PAGES}docs/troubleshooting.md`;

/** The error body that OpenAI clients understand. */
export interface OpenAIErrorBody {
  /** The error. */
  error: {
    /** What happened. */
    message: string;
    /** OpenAI's category, such as `rate_limit_error`. */
    type: string;
    /** The upstream's code, or this package's. */
    code: string | null;
    /** Name of the invalid field; null if no field is at fault. */
    param: string | null;
  };
}

/**
 * The error class of this package. Use {@link AiBalancerError.isInstance} to recognize it: `instanceof` fails across
 * the CommonJS and ES module copies of the package.
 */
export class AiBalancerError extends Error {
  /** Always 'AiBalancerError'. */
  override readonly name = 'AiBalancerError';
  /** What kind of error it is. */
  readonly code: AiBalancerErrorCode;
  /** HTTP status for the response. */
  readonly status: number;
  /** Whether the same call can succeed later. */
  readonly retryable: boolean;
  /**
   * The soonest time at which an endpoint can start this call if it is made again, in milliseconds from when the error
   * was created; undefined if it is unknown.
   */
  declare readonly retryAfterMs: number | undefined;
  /** The attempts that were made; undefined if the call had not started. */
  declare readonly attempts: readonly AttemptReport[] | undefined;
  /** Name of the invalid field; undefined if no field is at fault. */
  declare readonly param: string | undefined;
  /** URL of the documentation of this error. */
  readonly help: string;
  /** Report of how far the call got; undefined if it had not started. Not enumerable, to keep logs short. */
  declare readonly route: RouteReport | undefined;
  /**
   * The part of a broken stream that had arrived. Not enumerable, because it is user content that must not be logged.
   */
  declare readonly partialText: string | undefined;
  /** The upstream's error type. Not enumerable. */
  declare readonly type: string | undefined;
  /** The upstream's error code. Not enumerable. */
  declare readonly upstreamCode: string | undefined;
  /** Message that a client may read, see {@link AiBalancerError.toBody}. Not enumerable. */
  declare readonly publicMessage: string;
  /** The header `Retry-After`, which Express's error handler sends. Not enumerable. */
  declare readonly headers: Readonly<Record<string, string>> | undefined;

  constructor(code: AiBalancerErrorCode, message: string, options: AiBalancerErrorOptions = {}) {
    super(message);
    this.code = code;
    this.status = options.status ?? 500;
    this.retryable = options.retryable ?? false;
    // Fields without a value are left out, to keep the printed error short.
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs;
    if (options.attempts !== undefined) this.attempts = options.attempts;
    if (options.param !== undefined) this.param = options.param;
    this.help = `${TROUBLESHOOTING}#${code.toLowerCase()}`;
    defineHidden(this, 'route', options.route);
    defineHidden(this, 'partialText', options.partialText);
    defineHidden(this, 'type', options.type);
    defineHidden(this, 'upstreamCode', options.upstreamCode);
    defineHidden(this, 'publicMessage', options.publicMessage ?? PUBLIC_MESSAGES[code] ?? message);
    defineHidden(this, 'headers', retryAfterHeader(options.retryAfterMs));
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** True for an error made by any copy of this package. */
  static isInstance(error: unknown): error is AiBalancerError {
    return typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[BRAND] === true;
  }

  /**
   * Returns the error as an OpenAI-shaped body for the client. It names no endpoint, and contains no upstream message
   * unless the caller is at fault.
   */
  toBody(): OpenAIErrorBody {
    return {
      error: {
        message: this.publicMessage,
        type: this.type ?? openAIType(this.status),
        code: this.upstreamCode ?? this.code,
        param: this.param ?? null,
      },
    };
  }
}

function defineHidden(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: false, configurable: true, writable: true });
}

/** Returns `Retry-After` in whole seconds, rounded up, so that a client never retries too early. */
export function retryAfterHeader(ms: number | undefined): Record<string, string> | undefined {
  return ms === undefined || !Number.isFinite(ms)
    ? undefined
    : { 'Retry-After': String(Math.max(1, Math.ceil(ms / 1_000))) };
}

/** Longest wait that OpenAI's clients obey, in milliseconds. They ignore a longer one and retry immediately. */
const LONGEST_CLIENT_WAIT_MS = 60_000;

/**
 * Returns headers that say to OpenAI's clients when to retry, or not to retry (`x-should-retry: false`) if that would
 * only add load.
 */
export function retryHeaders(error: AiBalancerError): Record<string, string> {
  const { status, retryAfterMs } = error;
  const isKnown = retryAfterMs !== undefined && Number.isFinite(retryAfterMs);
  return {
    ...retryAfterHeader(retryAfterMs),
    ...(isKnown ? { 'retry-after-ms': String(Math.max(1, Math.ceil(retryAfterMs))) } : {}),
    ...(isRetriedByClients(status) && !isWorthRetrying(error) ? { 'x-should-retry': 'false' } : {}),
  };
}

/** The statuses that OpenAI's clients retry by default. */
function isRetriedByClients(status: number): boolean {
  return status === 408 || status === 409 || status === 429 || status >= 500;
}

/**
 * A call that all endpoints have failed isn't worth retrying if its `retryAfterMs` is below this, because its endpoints
 * are then still failing rather than recovering.
 */
const SHORTEST_RECOVERY_MS = 1_000;

/**
 * Whether a retry by the client can help. The balancer has retried already, so it can only help after a known wait or
 * in another process.
 */
function isWorthRetrying({
  code,
  retryable,
  attempts = [],
  retryAfterMs = Infinity,
}: AiBalancerError): boolean {
  // An endpoint that was only rate limited recovers, and a client's next call can wait for it.
  const isLimited = attempts.some((attempt) => attempt.class === 'rate_limited');
  if (code === 'ERR_AI_ALL_FAILED' && !isLimited && retryAfterMs < SHORTEST_RECOVERY_MS) return false;
  return code === 'ERR_AI_CLOSED' || (retryable && retryAfterMs <= LONGEST_CLIENT_WAIT_MS);
}

function openAIType(status: number): string {
  if (status === 429) return 'rate_limit_error';
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}

/** The error for an invalid field of a body or option. Thrown before anything is sent or reserved. */
export function badRequest(param: string, message: string): AiBalancerError {
  return new AiBalancerError('ERR_AI_BAD_REQUEST', `${param}: ${message}`, { status: 400, param });
}
