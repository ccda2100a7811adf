import { FAILURE_RULES, type FailureClass, type FailureRule } from './classes';

/** What is kept of a failure: a few plain, bounded values. Never the error object, the key or the prompt. */
export interface FailureDetail {
  class: FailureClass;
  /** HTTP status of the answer; for an error inside a 200 or a stream, the status it names. */
  status?: number;
  /** The upstream's or the socket's own code. */
  code?: string;
  /** The upstream's message, at most 1,000 characters, with what looks like a key taken out. */
  message: string;
  param?: string;
  type?: string;
  /** Milliseconds until the upstream wants to hear from us again. */
  retryAfterMs?: number;
  /** The upstream's `x-should-retry`. */
  shouldRetry?: boolean;
  /**
   * A reset on a keep-alive socket that had served before. Where the reset came at once, the server had closed the idle
   * socket and never saw the request.
   */
  staleSocket?: true;
}

/** `code` of a `bad_answer` larger than the configured bound. A caller can ask for such an answer. */
export const RESPONSE_TOO_LARGE = 'response_too_large';

/**
 * The rule for one failure: that of its class, with `x-should-retry` obeyed. `false` keeps us from the same endpoint
 * (another is another account, about which it can't speak); `true` allows it with backoff where the class says never.
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

const MESSAGE_LIMIT = 1000;
// Enough that a long key in front doesn't use up the message, little enough to stay cheap.
const SCAN_LIMIT = 4096;

// Every quantifier works on one character class that the next token can't match, so each pattern is linear.
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

/** A text fit for logs and errors: one line's worth, bounded, with what looks like a key taken out. */
export function safeMessage(text: string): string {
  let safe = text.length > SCAN_LIMIT ? text.slice(0, SCAN_LIMIT) : text;
  for (const [pattern, replacement] of SECRETS) safe = safe.replace(pattern, replacement);
  return clip(safe.trim(), MESSAGE_LIMIT);
}

/** A short identifier from the wire (code, type, param), bounded and redacted like a message. */
export function safeLabel(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : clip(safeMessage(text), 100);
}

/** Cuts without leaving half of a surrogate pair. */
function clip(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const last = text.charCodeAt(limit - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit);
}

/** Drops the absent fields, so that details compare and print well. */
export function detailOf(
  detail: { [K in keyof FailureDetail]: FailureDetail[K] | undefined },
): FailureDetail {
  return Object.fromEntries(
    Object.entries(detail).filter(([, value]) => value !== undefined),
  ) as unknown as FailureDetail;
}
