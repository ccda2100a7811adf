import type { Call } from '../call/call';
import { type CostEstimate, estimateQuotaCost } from '../quota/cost';
import { isObject } from '../util/is-object';
import { affinityKey } from './affinity';

/**
 * What a call needs, for comparison with endpoints by the filters. It holds no request body, so neither does a report
 * that the application keeps.
 */
export interface CallNeeds {
  /** The only endpoint that may serve the call. */
  readonly endpoint: string | undefined;
  readonly capabilities: readonly string[];
  readonly tags: readonly string[];
  readonly minQuality: number;
  /** Price ceiling in USD per 1,000 tokens. */
  readonly maxCostPer1k: number;
  readonly promptTokens: number;
  readonly expectedOutputTokens: number;
  /** Estimated tokens that must fit into the context window: prompt plus max_tokens. */
  readonly contextTokens: number;
  readonly quotaCost: CostEstimate;
  /** Equal for calls that can use the same cached prefix; undefined if the call can use none. */
  readonly affinityKey: string | undefined;
}

/** Determines what a call needs. Called once per call. */
export function needsOf(call: Call): CallNeeds {
  const { promptTokens, expectedOutputTokens, maxOutputTokens, context } = call;
  return {
    endpoint: call.endpoint,
    capabilities: neededCapabilities(call),
    tags: context.tags ?? [],
    minQuality: context.minQuality ?? 0,
    maxCostPer1k: context.maxCostPer1k ?? Infinity,
    promptTokens,
    expectedOutputTokens,
    contextTokens: promptTokens + (maxOutputTokens ?? 0),
    quotaCost: estimateQuotaCost(call),
    affinityKey: affinityKey(call),
  };
}

/** The capabilities that a call needs of a model. */
function neededCapabilities(call: Call): readonly string[] {
  if (call.operation === 'embeddings') return ['embeddings'];
  // Most calls need nothing more, and an array that grows has room for 17.
  const needed = call.stream ? ['chat', 'streaming'] : ['chat'];
  const body = call.body as { tools?: unknown; response_format?: unknown; messages?: unknown };
  const { tools, response_format: format, messages } = body;
  if (Array.isArray(tools) && tools.length > 0) needed.push('tools');
  if (isObject(format) && format['type'] === 'json_schema') needed.push('json_schema');
  if (hasImage(messages)) needed.push('vision');
  if (call.responses?.nativeOnly !== undefined) needed.push('responses');
  return needed;
}

function hasImage(messages: unknown): boolean {
  if (!Array.isArray(messages)) return false;
  return messages.some((message: unknown) => {
    const content = isObject(message) ? message['content'] : undefined;
    return Array.isArray(content) && content.some((part) => isObject(part) && part['type'] === 'image_url');
  });
}
