import { KNOWN_MODELS } from './known-models';
import type { ModelProfile } from './profile';

/** Frozen profiles by base name (without provider prefix and date). */
export const CATALOGUE: ReadonlyMap<string, ModelProfile> = new Map(
  Object.entries(KNOWN_MODELS).map(([name, profile]) => [name, freezeProfile(profile)]),
);

/** Other names of models in the catalogue that some providers use. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['gpt-35-turbo', 'gpt-3.5-turbo'],
  ['claude-3.5-haiku', 'claude-3-5-haiku'],
  ['claude-haiku-4.5', 'claude-haiku-4-5'],
  ['claude-sonnet-4.5', 'claude-sonnet-4-5'],
  ['claude-sonnet-4-0', 'claude-sonnet-4'],
  ['claude-opus-4-0', 'claude-opus-4'],
  ['llama-3.3-70b-versatile', 'llama-3.3-70b'],
  ['llama-3.3-70b-instruct', 'llama-3.3-70b'],
  ['deepseek-r1', 'deepseek-reasoner'],
]);

/**
 * The profile of an unknown model: average values, and no price, so that calls with a price ceiling are not sent to it.
 */
const NEUTRAL: ModelProfile = freezeProfile({
  latency: { firstTokenMs: 600, msPerPromptToken: 0.06, msPerOutputToken: 15 },
  contextWindow: 128_000,
  quality: 0.75,
  // All capabilities but 'responses', which depends on the provider: a missing one would rule the model out.
  capabilities: ['chat', 'tools', 'vision', 'json_schema', 'streaming', 'embeddings'],
  strengths: [],
});

const NEUTRAL_EMBEDDING: ModelProfile = freezeProfile({
  latency: { firstTokenMs: 150, msPerPromptToken: 0.02, msPerOutputToken: 0 },
  contextWindow: 8191,
  quality: 0.75,
  capabilities: ['embeddings'],
  strengths: ['embedding'],
});

/**
 * The application's corrections and additions, by model name or base name. An exact name takes precedence over a base
 * name.
 */
export type ModelOverrides = Readonly<Record<string, Partial<ModelProfile>>>;

/**
 * Returns the profile of a model. `isKnown` is false if neither the catalogue nor the overrides contain it; the profile
 * is then neutral. Dates (`gpt-4o-2024-08-06`), `-latest` and provider prefixes (`openai/gpt-4o`) are ignored.
 */
export function profileOf(
  model: string,
  overrides: ModelOverrides = {},
): { readonly profile: ModelProfile; readonly isKnown: boolean } {
  const base = baseNameOf(model);
  const listed = CATALOGUE.get(base);
  const general = ownValue(overrides, base);
  const exact = base === model ? undefined : ownValue(overrides, model);
  const start = listed ?? (base.includes('embed') ? NEUTRAL_EMBEDDING : NEUTRAL);
  return {
    profile: general || exact ? mergeProfiles(start, general, exact) : start,
    isKnown: (listed ?? general ?? exact) !== undefined,
  };
}

/**
 * Returns the catalogue name of a model, such as 'gpt-4o' for 'openai/gpt-4o-2024-08-06'. Prefix and date are also
 * removed from the names of unknown models.
 */
export function baseNameOf(model: string): string {
  const bare = model.slice(model.lastIndexOf('/') + 1).toLowerCase();
  if (CATALOGUE.has(bare)) return bare;
  const undated = bare.replace(/[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|latest)$/, '');
  return ALIASES.get(undated) ?? undated;
}

function ownValue(overrides: ModelOverrides, name: string): Partial<ModelProfile> | undefined {
  return Object.hasOwn(overrides, name) ? overrides[name] : undefined;
}

function mergeProfiles(start: ModelProfile, ...layers: (Partial<ModelProfile> | undefined)[]): ModelProfile {
  const entries = layers.flatMap((layer): [string, unknown][] => Object.entries(layer ?? {}));
  const given = entries.filter(([, value]) => value !== undefined);
  return freezeProfile({ ...start, ...Object.fromEntries(given) });
}

function freezeProfile(profile: ModelProfile): ModelProfile {
  for (const part of Object.values(profile) as unknown[]) Object.freeze(part);
  return Object.freeze(profile);
}
