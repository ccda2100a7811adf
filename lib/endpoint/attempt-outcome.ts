import type { Usage } from '../call/answer';
import type { Call } from '../call/call';
import type { FailureRule } from '../failure/classes';
import type { FailureDetail } from '../failure/detail';
import { CONNECT_TIMEOUT } from '../http/connection/wire-errors';
import type { UpstreamFailure } from '../http/upstream-failure';
import type { Reservation, Settlement } from '../quota/reservation';

/**
 * What an attempt shows about its endpoint. An attempt reports at most one 'silent', then exactly one of the others.
 */
export type AttemptOutcome =
  /** No response has arrived for too long. The attempt is still running. */
  | { readonly kind: 'silent'; readonly call: Call; readonly counts: boolean }
  | { readonly kind: 'served'; readonly startedAt: number; readonly ms: number }
  | FailedAttempt
  /** The caller aborted, the attempt lost a hedge, or it was never sent. */
  | { readonly kind: 'aborted' };

export interface FailedAttempt {
  readonly kind: 'failed';
  readonly call: Call;
  readonly failure: UpstreamFailure;
  readonly rule: FailureRule;
  /** Whether the failure is a fault of the endpoint. */
  readonly isFailure: boolean;
  /**
   * Whether the failure counts against the endpoint: of several failures of a call at this endpoint, only the first
   * does.
   */
  readonly counts: boolean;
  readonly reservation: Reservation;
}

/** Failure classes with which an upstream refuses a call before it charges anything to its quota. */
const NOT_ADMITTED: ReadonlySet<FailureDetail['class']> = new Set<FailureDetail['class']>([
  'rate_limited',
  'too_large',
  'quota_exhausted',
  'unauthorized',
  'not_served',
  'model_missing',
  'bad_request',
  'context_window',
]);

/**
 * Returns how to settle the reservation of a served attempt. Without reported usage, what was reserved counts as used.
 */
export function settlementOfUsage(reported: Usage | undefined): Settlement {
  if (!reported) return { kind: 'kept' };
  const usage = { input: reported.prompt_tokens, output: reported.completion_tokens };
  return { kind: 'used', usage, reported };
}

/**
 * Returns how to settle the reservation of a failed attempt.
 * @param output Output tokens that had arrived before it failed.
 */
export function settlementOf(failure: UpstreamFailure, input: number, output: number): Settlement {
  const { detail, isAnswered } = failure;
  if (NOT_ADMITTED.has(detail.class)) return { kind: 'returned' };
  // No provider charges for a connection that was never established.
  if (detail.code === CONNECT_TIMEOUT) return { kind: 'returned' };
  if (detail.class === 'connection' && !isAnswered && detail.code !== 'ECONNRESET')
    return { kind: 'returned' };
  return { kind: 'used', usage: { input, output } };
}
