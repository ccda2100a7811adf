import { FAILURE_RULES, type FailureClass, type FailureRule } from './classes';

/** What is kept of a failure: a few plain, bounded values. Never the error object, the key or the prompt. */
export interface FailureDetail {
  /** What the failure means. */
  class: FailureClass;
  /** HTTP status of the response; for an error inside a 200 or a stream, the status that the error states. */
  status?: number;
  /** The upstream's own error code, or the code of the socket error, such as `ECONNREFUSED`. */
  code?: string;
  /** The upstream's message, at most 1,000 characters, with anything that looks like a key redacted. */
  message: string;
  /** The upstream's `param`: the field of the request that it objects to. */
  param?: string;
  /** The upstream's error type. */
  type?: string;
  /** How long the upstream asks us to wait before the next request, in milliseconds: from 0 to 24 hours. */
  retryAfterMs?: number;
  /** The upstream's `x-should-retry` header. */
  shouldRetry?: boolean;
  /**
   * The connection was reset on a keep-alive socket that had served a request before. If the reset came at once, the
   * server had closed the idle socket and never received this request.
   */
  staleSocket?: true;
  /** The endpoint lacks a capability that the request needs, such as image input. It is healthy for other requests. */
  lacksCapability?: true;
}

/**
 * `code` of a `bad_answer` that exceeds `http.maxResponseBytes`. Callers can provoke it, so it never counts against the
 * endpoint.
 */
export const RESPONSE_TOO_LARGE = 'response_too_large';

/**
 * Returns the rule for one failure: that of its class, adjusted by `x-should-retry`. `false` rules out the same
 * endpoint, but not others, which are other accounts. `true` allows the same endpoint with backoff if the class says
 * never.
 */
export function ruleFor(detail: FailureDetail): FailureRule {
  const rule = FAILURE_RULES[detail.class];
  if (detail.class === 'aborted') return rule;
  if (detail.code === RESPONSE_TOO_LARGE)
    return { ...rule, countsAgainstEndpoint: false, cooldownScope: 'none' };
  if (detail.shouldRetry === false && rule.sameEndpoint !== 'never')
    return { ...rule, sameEndpoint: 'never' };
  if (detail.shouldRetry === true && rule.sameEndpoint === 'never')
    return { ...rule, sameEndpoint: 'with-backoff' };
  return rule;
}

/** Maximum length of a message, in characters. */
const MAX_MESSAGE = 1000;
/** Maximum length of a code, param or type, in characters. */
const MAX_LABEL = 100;
// Characters of a text that are scanned for secrets. More than MAX_MESSAGE, because redacting a long key makes the text
// shorter.
const SCAN_LIMIT = 4096;

// Each quantifier covers one character class that the token after it can't match, so every pattern runs in linear time.
const SECRETS: readonly [RegExp, string][] = [
  [/\b(Bearer|Basic)\s+[\w.~+/=*-]{4,}/gi, '$1 [redacted]'],
  [
    /\b(api[-_ ]?key|x-api-key|x-goog-api-key|access[-_]?token|authorization|secret|password)(["']?\s?[:=]\s?["']?)[\w.~+/*-]{4,}/gi,
    '$1$2[redacted]',
  ],
  [/([?&](?:api[-_]?key|key|token|sig|signature)=)[^&\s"'<>]+/gi, '$1[redacted]'],
  [/\b(?:sk|pk|rk|gsk|xai|hf|r8|nvapi|csk|tgp|fw|pplx|cr)[-_][\w*.-]{6,}/gi, '[redacted]'],
  [/\bAIza[\w*-]{10,}/g, '[redacted]'],
  [/\beyJ[\w-]{8,}\.[\w.-]+/g, '[redacted]'],
  [/\b(?:[0-9a-f]{32,}|[A-Za-z0-9]{48,})\b/gi, '[redacted]'],
];

/** Makes a text safe to log: at most 1,000 characters, with anything that looks like a key redacted. */
export function safeMessage(text: string): string {
  let safe = text.length > SCAN_LIMIT ? text.slice(0, SCAN_LIMIT) : text;
  for (const [pattern, replacement] of SECRETS) safe = safe.replace(pattern, replacement);
  return clip(safe.trim(), MAX_MESSAGE);
}

/**
 * Makes an identifier from a response (code, type, param) safe to log: at most 100 characters, redacted like a message.
 */
export function safeLabel(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : clip(safeMessage(text), MAX_LABEL);
}

/** Truncates a text without splitting a surrogate pair. */
function clip(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const last = text.charCodeAt(limit - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit);
}
