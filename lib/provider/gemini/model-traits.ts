/** What the Gemini API accepts for a model. */
export interface ModelTraits {
  /** How the model thinks: not at all (before Gemini 2.5), within a budget of tokens (2.5), or at a level (from 3). */
  readonly thinking: 'none' | 'budget' | 'level';
  /** Whether thinking can't be disabled: the Pro models. */
  readonly alwaysThinks: boolean;
  /** Whether a function call must be sent back with its thought signature (from Gemini 3). */
  readonly needsSignatures: boolean;
  /** Whether tools and JSON output can be combined (from Gemini 3). */
  readonly jsonWithTools: boolean;
}

/**
 * Traits by the version in the model's name. A name without a version, such as 'gemini-flash-latest', is treated as the
 * newest. Sources: https://ai.google.dev/gemini-api/docs/thinking,
 * https://ai.google.dev/gemini-api/docs/thought-signatures and https://ai.google.dev/gemini-api/docs/structured-output
 */
export function modelTraits(model: string): ModelTraits {
  const match = /gemini-(\d{1,2})(?:\.(\d{1,2}))?/i.exec(model);
  const version = match ? 100 * Number(match[1]) + 10 * Number(match[2] ?? 0) : Infinity;
  return {
    thinking: version >= 300 ? 'level' : version >= 250 ? 'budget' : 'none',
    alwaysThinks: /pro/i.test(model),
    needsSignatures: version >= 300,
    jsonWithTools: version >= 300,
  };
}
