import type { EndpointSettings } from '../endpoint/endpoint-settings';
import { baseNameOf } from '../models/catalogue';

type ModelLists = Readonly<Record<string, readonly string[]>>;

/**
 * Returns the catalogue's fallback lists, limited to models that have endpoints. A catalogue name matches every
 * spelling of the model, such as `openai/gpt-4o-mini` for `gpt-4o-mini`.
 */
export function catalogueFallbacks(endpoints: readonly EndpointSettings[]): Map<string, readonly string[]> {
  const models = distinct(endpoints.map(({ model }) => model));
  const lists = new Map<string, readonly string[]>();
  for (const { model, profile } of endpoints) {
    if (lists.has(model)) continue;
    const wanted = profile.fallbacks ?? [];
    const served = wanted.flatMap((name) =>
      models.includes(name) ? [name] : models.filter((other) => baseNameOf(other) === baseNameOf(name)),
    );
    const others = distinct(served).filter((other) => other !== model);
    if (others.length > 0) lists.set(model, Object.freeze(others));
  }
  return lists;
}

/**
 * Returns the configured lists with aliases replaced by their models. If both a model and its alias have a list, the
 * model's list is used.
 */
export function configuredFallbacks(
  given: ModelLists,
  endpoints: readonly EndpointSettings[],
): Map<string, readonly string[]> {
  const modelsOf = (name: string): string[] => {
    const named = endpoints.filter(({ model }) => model === name);
    const meant = named.length > 0 ? named : endpoints.filter(({ aliases }) => aliases.includes(name));
    return distinct(meant.map(({ model }) => model));
  };
  const lists = new Map<string, readonly string[]>();
  for (const [key, targets] of Object.entries(given)) {
    const list = distinct(targets.flatMap(modelsOf));
    for (const model of key === '*' ? ['*'] : modelsOf(key)) {
      if (lists.has(model) && key !== model) continue;
      lists.set(model, Object.freeze(list.filter((other) => other !== model)));
    }
  }
  return lists;
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)];
}
