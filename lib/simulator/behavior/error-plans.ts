import type { ErrorFault } from './fault';
import type { ArrivingCall, ErrorPlan, RefusalReason } from './plan';
import { between, type Random } from './random';
import type { Admission } from './rate-limit';

// Messages, types and codes are those of OpenAI's API, because clients classify failures by them.

export function rateLimited(
  call: ArrivingCall,
  wanted: number,
  admission: Exclude<Admission, { readonly admitted: true }>,
  random: Random,
): ErrorPlan {
  const afterMs = between(random, 60, 120);
  if (admission.reason === 'too_large') {
    return refusal('too_large', 429, afterMs, 'tokens', 'rate_limit_exceeded', [
      `Request too large for ${call.model} in organization org-simulator on tokens per min (TPM):`,
      `Limit ${admission.limit}, Requested ${wanted}.`,
      'The input or output tokens must be reduced in order to run successfully.',
    ]);
  }
  const { reason, limit, used, retryAfterS } = admission;
  const unit = reason === 'requests' ? 'requests per min (RPM)' : 'tokens per min (TPM)';
  const requested = reason === 'requests' ? 1 : wanted;
  const plan = refusal('rate_limited', 429, afterMs, reason, 'rate_limit_exceeded', [
    `Rate limit reached for ${call.model} in organization org-simulator on ${unit}:`,
    `Limit ${limit}, Used ${used}, Requested ${requested}. Please try again in ${retryAfterS}s.`,
  ]);
  plan.retryAfterS = retryAfterS;
  return plan;
}

export function rateLimitStorm(call: ArrivingCall, random: Random): ErrorPlan {
  const plan = refusal('rate_limited', 429, 80, 'requests', 'rate_limit_exceeded', [
    `Rate limit reached for ${call.model} in organization org-simulator on requests per min (RPM).`,
  ]);
  plan.retryAfterS = 2 + Math.floor(random() * 9);
  return plan;
}

export function unavailable(random: Random): ErrorPlan {
  return refusal('overloaded', 503, between(random, 30, 100), 'server_error', null, [
    'The server is overloaded or not ready yet.',
  ]);
}

export function serverError(status: number, afterMs: number): ErrorPlan {
  return refusal(
    status === 503 || status === 529 ? 'overloaded' : 'server_error',
    status,
    afterMs,
    'server_error',
    null,
    ['The server had an error while processing your request. Sorry about that!'],
  );
}

export function unauthorized(): ErrorPlan {
  return refusal('unauthorized', 401, 20, 'invalid_request_error', 'invalid_api_key', [
    'Incorrect API key provided.',
  ]);
}

export function quotaExhausted(): ErrorPlan {
  return refusal('quota_exhausted', 429, 40, 'insufficient_quota', 'insufficient_quota', [
    'You exceeded your current quota, please check your plan and billing details.',
  ]);
}

export function modelMissing(model: string): ErrorPlan {
  return refusal('model_missing', 404, 20, 'invalid_request_error', 'model_not_found', [
    `The model \`${model}\` does not exist or you do not have access to it.`,
  ]);
}

export function contextTooLong(call: ArrivingCall, contextWindow: number): ErrorPlan {
  const wanted = call.promptTokens + (call.maxTokens ?? 0);
  const plan = refusal('context_window', 400, 20, 'invalid_request_error', 'context_length_exceeded', [
    `This model's maximum context length is ${contextWindow} tokens. However, you requested ${wanted} tokens`,
    `(${call.promptTokens} in the messages, ${call.maxTokens ?? 0} in the completion).`,
  ]);
  plan.exceeded = { wanted, limit: contextWindow };
  return plan;
}

export function customError(fault: ErrorFault): ErrorPlan {
  const type = fault.type ?? (fault.status >= 500 ? 'server_error' : 'invalid_request_error');
  const message = fault.message ?? `Simulated error ${fault.status}.`;
  const plan = refusal(undefined, fault.status, fault.afterMs ?? 50, type, fault.code ?? null, [message]);
  if (fault.headers) plan.headers = fault.headers;
  return plan;
}

function refusal(
  reason: RefusalReason | undefined,
  status: number,
  afterMs: number,
  type: string,
  code: string | null,
  message: readonly string[],
): ErrorPlan {
  const plan: ErrorPlan = { kind: 'error', status, afterMs, type, code, message: message.join(' ') };
  if (reason !== undefined) plan.reason = reason;
  return plan;
}
