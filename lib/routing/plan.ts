import type { Call } from '../call/call';
import type { Endpoint } from '../endpoint/endpoint';
import type { Cost } from '../quota/cost';

/** An endpoint that may serve a call, as far as can be told before looking at breaker, rest and quota. */
export interface Option {
  readonly endpoint: Endpoint;
  readonly quotaCost: Cost;
  /** Estimated, in USD; undefined without a price. */
  readonly costUsd: number | undefined;
}

/** An endpoint that a filter has removed. */
export interface RemovedOption {
  readonly option: Option;
  readonly filter: {
    /** Says why. Asked for only when someone wants to know. */
    reason(call: Call, option: Option): string;
  };
}

/** Everything about a call's routing that doesn't change while it runs. */
export interface Plan {
  readonly call: Call;
  /** In the order of use: the asked model's tiers, then those of each fallback. */
  readonly stages: readonly (readonly Option[])[];
  /** The endpoints that a filter has removed; those of other models are not among them. */
  readonly removed: readonly RemovedOption[];
  /** Every endpoint there is. */
  readonly endpoints: readonly Endpoint[];
}

/** Calls with the same key may use the same endpoints. */
export function poolKey(plan: Plan): string {
  return plan.stages.map((stage) => stage.map(({ endpoint }) => endpoint.name).join()).join('|');
}

export function optionsOf(plan: Plan): readonly Option[] {
  return plan.stages.flat();
}

/** The share of the estimate that must exceed a window before a call is refused unsent: estimates err upwards. */
export const WINDOW_CERTAINTY = 0.7;

/** The tokens that must fit into a context window, by estimate. */
export function requiredContextTokens(call: Call): number {
  return call.promptTokens + (call.maxOutputTokens ?? 0);
}

/** USD, by estimate. */
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
  const body = call.body as { tools?: readonly unknown[]; response_format?: unknown; messages?: unknown };
  if (Array.isArray(body.tools) && body.tools.length > 0) needed.push('tools');
  if (isJsonSchema(body.response_format)) needed.push('json_schema');
  if (hasImage(body.messages)) needed.push('vision');
  return needed;
}

function isJsonSchema(format: unknown): boolean {
  return (
    typeof format === 'object' && format !== null && (format as { type?: unknown }).type === 'json_schema'
  );
}

function hasImage(messages: unknown): boolean {
  if (!Array.isArray(messages)) return false;
  return messages.some((message: { content?: unknown } | null) => {
    const content = message?.content;
    return (
      Array.isArray(content) && content.some((part: { type?: unknown } | null) => part?.type === 'image_url')
    );
  });
}
