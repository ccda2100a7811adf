import type { Call } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import { AiBalancerError } from '../errors';
import type { AttemptReport, RouteReport } from '../route-report';
import type { Writable } from '../util/writable';
import type { AttemptEvent, CallEvent } from './events';

const MAX_REASON_CHARS = 300;

/** Builds the event for the end of a call, for listeners and logs. */
export function callEvent(call: Call, route: RouteReport | undefined, error: unknown): CallEvent {
  const { context, operation, stream, model } = call;
  const { requestId, tenant, type, priority, tags, minQuality, maxCostPer1k } = context;
  const ms = Math.round(performance.now() - call.startedAt);
  const deadlineMs = call.deadlineAt - call.startedAt;
  const event: Writable<CallEvent> = {
    requestId,
    operation,
    stream,
    endpoint: route?.endpoint ?? '',
    provider: route?.provider ?? '',
    model: route?.model ?? '',
    type,
    priority,
    startedAt: Date.now() - ms,
    estimatedTokens: { input: call.promptTokens, output: call.expectedOutputTokens },
    wastedTokens: route?.wastedTokens ?? 0,
    wastedUsd: route?.wastedUsd ?? 0,
    waitMs: route?.waitMs ?? 0,
    ms,
    attempts: route?.attempts.length ?? 0,
    failed: error !== undefined,
  };
  if (model !== undefined) event.requestedModel = model;
  if (tenant !== undefined) event.tenant = tenant;
  if (call.maxOutputTokens !== undefined) event.maxTokens = call.maxOutputTokens;
  if (deadlineMs !== Infinity) event.deadlineMs = Math.round(deadlineMs);
  if (tags && tags.length > 0) event.tags = tags;
  if (minQuality !== undefined) event.minQuality = minQuality;
  if (maxCostPer1k !== undefined) event.maxCostPer1k = maxCostPer1k;
  if (AiBalancerError.isInstance(error)) event.code = error.code;
  if (!route) return event;
  const { usage, costUsd, firstTokenMs } = route;
  if (usage) event.tokens = { input: usage.prompt_tokens, output: usage.completion_tokens };
  if (costUsd !== undefined) event.costUsd = costUsd;
  if (firstTokenMs !== undefined) event.firstTokenMs = firstTokenMs;
  event.route = route;
  return event;
}

/** Builds the event for the end of an attempt, for listeners and logs. */
export function attemptEvent(
  { context }: Call,
  { settings }: Endpoint,
  attempt: AttemptReport,
  brokeOff: boolean,
): AttemptEvent {
  const event: Writable<AttemptEvent> = {
    endpoint: attempt.endpoint,
    model: attempt.model,
    ms: attempt.ms,
    requestId: context.requestId,
    provider: settings.provider,
  };
  if (attempt.class !== undefined) event.class = attempt.class;
  if (attempt.status !== undefined) event.status = attempt.status;
  if (attempt.code !== undefined) event.code = attempt.code;
  if (attempt.message !== undefined) event.message = attempt.message;
  if (attempt.hedge !== undefined) event.hedge = attempt.hedge;
  if (brokeOff) event.brokeOff = true;
  return event;
}

export function callLine(
  { requestId, operation, endpoint, model, ms, code, failed }: CallEvent,
  error: unknown,
): string {
  const call = `${operation} ${requestId}`;
  if (!failed) return `${call} was answered by endpoint '${endpoint}' (${model}) in ${ms} ms`;
  const why = AiBalancerError.isInstance(error)
    ? error.message.slice(0, MAX_REASON_CHARS)
    : 'a function of the app threw';
  return `${call} failed after ${ms} ms: ${code ?? 'error'}: ${why}`;
}
