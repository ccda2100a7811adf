/** What the Messages API accepts for a Claude model. */
export interface ModelTraits {
  /**
   * How it thinks before it answers: not at all (before Claude 3.7), with a budget of tokens (to 4.5), or as much as it
   * finds useful, guided by an effort (from 4.6).
   */
  readonly thinking: 'none' | 'budget' | 'adaptive';
  /** Whether it thinks unless it is asked not to (from Claude 5). */
  readonly thinksByDefault: boolean;
  /** Whether its thinking can't be turned off. */
  readonly alwaysThinks: boolean;
  /** Whether `temperature` and `top_p` are accepted: not from Claude 4.7. */
  readonly sampling: boolean;
  /** Whether `temperature` and `top_p` are accepted together: not from Claude 4.1. */
  readonly bothSamplings: boolean;
  /** Whether `output_config.format` is accepted (from Claude 4.5). */
  readonly jsonSchema: boolean;
  /** Whether the effort 'xhigh' is accepted (from Claude 4.7). */
  readonly xhigh: boolean;
}

/**
 * Sources: https://platform.claude.com/docs/en/build-with-claude/extended-thinking and the guides of
 * https://platform.claude.com/docs/en/about-claude/models/migration-guide. A model whose name tells no version is taken for
 * the newest.
 */
export function modelTraits(model: string): ModelTraits {
  const version = versionOf(model);
  const alwaysThinks = /fable|mythos/i.test(model);
  return {
    thinking: version >= 406 ? 'adaptive' : version >= 307 ? 'budget' : 'none',
    thinksByDefault: version >= 500,
    alwaysThinks,
    sampling: version < 407,
    bothSamplings: version < 401,
    jsonSchema: version >= 405,
    xhigh: version >= 407,
  };
}

/** 405 for Claude 4.5: 'claude-sonnet-4-5-20250929', 'claude-3-5-haiku-latest', 'anthropic/claude-opus-4.6'. */
function versionOf(model: string): number {
  const match = /claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)/i.exec(model);
  return match ? 100 * Number(match[1]) + Number(match[2] ?? 0) : Infinity;
}
