import type { Call } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import type { Cost } from '../quota/cost';
import { isObject } from '../util/is-object';

/** An endpoint that may serve a call, before breaker, cooldown and quota are considered. */
export interface Option {
  readonly endpoint: Endpoint;
  readonly quotaCost: Cost;
  /** Estimated price of the call in USD; undefined when the endpoint has no price. */
  readonly costUsd: number | undefined;
}

/** An endpoint that a filter has removed. */
export interface RemovedOption {
  readonly option: Option;
  readonly filter: {
    /** Why the endpoint was removed. Evaluated only for reports and errors. */
    reason(call: Call, option: Option): string;
  };
}

/** What is fixed about the routing of a call while it runs. */
export interface Plan {
  readonly call: Call;
  /** In order of preference: the tiers of the requested model, then those of each fallback model. */
  readonly stages: readonly (readonly Option[])[];
  /** The endpoints removed by a filter, without those of other models. */
  readonly removed: readonly RemovedOption[];
  /** All endpoints of the configuration. */
  readonly endpoints: readonly Endpoint[];
}

/** Calls with the same key may use the same endpoints. */
export function poolKey(plan: Plan): string {
  return plan.stages.map((stage) => stage.map(({ endpoint }) => endpoint.name).join()).join('|');
}

export function optionsOf(plan: Plan): readonly Option[] {
  return plan.stages.flat();
}

/** A call is refused unsent only when this share of its estimate exceeds a window, because estimates err upwards. */
export const WINDOW_CERTAINTY = 0.7;

/** The estimated tokens that must fit into the context window. */
export function requiredContextTokens(call: Call): number {
  return call.promptTokens + (call.maxOutputTokens ?? 0);
}

/** Estimated price of the call in USD; undefined when the endpoint has no price. */
export function estimateCost(call: Call, endpoint: Endpoint): number | undefined {
  const { price } = endpoint.settings;
  if (price === undefined) return undefined;
  return (call.promptTokens * price.input + call.expectedOutputTokens * price.output) / 1e6;
}

/** The capabilities that a call needs of a model. */
export function neededCapabilities(call: Call): readonly string[] {
  if (call.operation === 'embeddings') return ['embeddings'];
  const needed = ['chat'];
  if (call.stream) needed.push('streaming');
  const body = call.body as { tools?: unknown; response_format?: unknown; messages?: unknown };
  const { tools, response_format: format, messages } = body;
  if (Array.isArray(tools) && tools.length > 0) needed.push('tools');
  if (isObject(format) && format['type'] === 'json_schema') needed.push('json_schema');
  if (hasImage(messages)) needed.push('vision');
  return needed;
}

function hasImage(messages: unknown): boolean {
  if (!Array.isArray(messages)) return false;
  return messages.some((message: unknown) => {
    const content = isObject(message) ? message['content'] : undefined;
    return Array.isArray(content) && content.some((part) => isObject(part) && part['type'] === 'image_url');
  });
}
