import type { Call } from '../call/call';
import { type CostEstimate, estimateQuotaCost } from '../quota/cost';
import { isObject } from '../util/is-object';
import { affinityKey } from './affinity';

/** What the filters compare a call with. It holds no body, so that a report which the app keeps holds none either. */
export interface CallNeeds {
  /** The only endpoint that may serve the call. */
  readonly endpoint: string | undefined;
  readonly capabilities: readonly string[];
  readonly tags: readonly string[];
  readonly minQuality: number;
  /** USD per 1,000 tokens. */
  readonly maxCostPer1k: number;
  readonly promptTokens: number;
  readonly expectedOutputTokens: number;
  /** The estimated tokens that must fit into the context window. */
  readonly contextTokens: number;
  readonly quotaCost: CostEstimate;
  /** Equal for calls that can use the same cached prefix; undefined where none can. */
  readonly affinityKey: string | undefined;
}

/** Worked out once per call. */
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
  const needed = ['chat'];
  if (call.stream) needed.push('streaming');
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
