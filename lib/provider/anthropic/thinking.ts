import { isObject } from '../../util/is-object';
import type { ModelTraits } from './model-traits';
import type { Effort, Thinking } from './wire';

export interface ThinkingRequest {
  readonly thinking?: Thinking;
  readonly effort?: Effort;
  /** Whether the request can't express the caller's `reasoning_effort`, which is left out. */
  readonly isDropped?: boolean;
}

export interface ThinkingOptions {
  /** The caller's `reasoning_effort`. */
  readonly effort: unknown;
  /** The caller's own `thinking` field, in Anthropic's format. It is sent unchanged. */
  readonly own: unknown;
  readonly maxTokens: number;
  /** Whether the model is forced to call a tool. It can't think before a forced call. */
  readonly forcesTool: boolean;
  /** Whether the conversation allows a thinking budget: see `toolLoopHasThinking`. */
  readonly allowsBudget: boolean;
}

/** The smallest thinking budget that the API accepts, in tokens. */
const MIN_BUDGET = 1024;
/** The thinking budget of each `reasoning_effort`, as a share of `max_tokens`. */
const BUDGET_SHARES: Readonly<Record<Effort | 'minimal', number>> = {
  minimal: 0.1,
  low: 0.2,
  medium: 0.5,
  high: 0.8,
  xhigh: 0.9,
  max: 0.95,
};

/** Converts `reasoning_effort` to the fields with which this model is asked to think. */
export function toThinking(traits: ModelTraits, options: ThinkingOptions): ThinkingRequest {
  const { effort, own } = options;
  if (isObject(own)) return { thinking: own as unknown as Thinking };
  const canBeOff = traits.thinksByDefault && !traits.alwaysThinks;
  if (options.forcesTool) {
    const isDropped = isEffort(effort);
    return { ...(canBeOff ? { thinking: { type: 'disabled' } } : {}), isDropped };
  }
  if (effort === 'none') {
    if (traits.alwaysThinks) return { effort: 'low' };
    return canBeOff ? { thinking: { type: 'disabled' } } : {};
  }
  if (!isEffort(effort)) return {};
  if (traits.thinking === 'adaptive') return adaptive(traits, effort);
  const budget = Math.floor(BUDGET_SHARES[effort] * options.maxTokens);
  const largest = options.maxTokens - 1;
  const canThink = traits.thinking === 'budget' && options.allowsBudget && largest >= MIN_BUDGET;
  if (!canThink) return { isDropped: true };
  return {
    thinking: { type: 'enabled', budget_tokens: Math.min(largest, Math.max(MIN_BUDGET, budget)) },
  };
}

function adaptive(traits: ModelTraits, effort: Effort | 'minimal'): ThinkingRequest {
  const asked = effort === 'minimal' ? 'low' : effort;
  return {
    effort: asked === 'xhigh' && !traits.xhigh ? 'high' : asked,
    // From Claude 4.7 the text of the thinking is left out unless it is asked for.
    thinking: { type: 'adaptive', ...(traits.sampling ? {} : { display: 'summarized' }) },
  };
}

function isEffort(effort: unknown): effort is Effort | 'minimal' {
  return typeof effort === 'string' && Object.hasOwn(BUDGET_SHARES, effort);
}
