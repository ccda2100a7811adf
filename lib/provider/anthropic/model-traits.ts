/** What the Messages API accepts for a Claude model. */
export interface ModelTraits {
  /**
   * How the model thinks before it answers: not at all (before Claude 3.7), within a budget of tokens (3.7 to 4.5), or
   * as much as it decides, guided by an effort (from 4.6).
   */
  readonly thinking: 'none' | 'budget' | 'adaptive';
  /** Whether the model thinks unless thinking is disabled (from Claude 5). */
  readonly thinksByDefault: boolean;
  /** Whether thinking can't be disabled. */
  readonly alwaysThinks: boolean;
  /** Whether `temperature` and `top_p` are accepted: not from Claude 4.7. */
  readonly sampling: boolean;
  /** Whether `temperature` and `top_p` are accepted together; no longer from Claude 4.1 on. */
  readonly bothSamplings: boolean;
  /** Whether `output_config.format` is accepted (from Claude 4.5). */
  readonly jsonSchema: boolean;
  /** Whether the effort 'xhigh' is accepted (from Claude 4.7). */
  readonly xhigh: boolean;
}

/**
 * Traits by the version in the model's name; a name without a version is treated as the newest. Sources:
 * https://platform.claude.com/docs/en/build-with-claude/extended-thinking and the guides of
 * https://platform.claude.com/docs/en/about-claude/models/migration-guide
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

/**
 * The version in a model's name, such as 405 for Claude 4.5; Infinity if there is none. Reads
 * 'claude-sonnet-4-5-20250929', 'claude-3-5-haiku-latest' and 'anthropic/claude-opus-4.6'.
 */
function versionOf(model: string): number {
  const match = /claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)/i.exec(model);
  return match ? 100 * Number(match[1]) + Number(match[2] ?? 0) : Infinity;
}
