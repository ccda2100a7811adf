import type { ChatBody } from '../call/body';

/** A model as OpenAI's API lists it. */
export interface ModelEntry {
  readonly id: string;
  readonly object: 'model';
  /** The time of creation is unknown, but OpenAI's type requires a number. */
  readonly created: 0;
  readonly owned_by: string;
}

/** The part of the balancer that the list of models needs. */
export interface ModelSource {
  stats(): {
    readonly endpoints: readonly {
      readonly name: string;
      readonly model: string;
      readonly aliases: readonly string[];
      readonly provider: string;
    }[];
  };
  explain(body: ChatBody): { readonly pick?: string };
}

/** Lists the endpoints' models and aliases, each once. Ignores the endpoints' state, so that the list is stable. */
export function listModels(source: ModelSource): readonly ModelEntry[] {
  const models = new Map<string, ModelEntry>();
  for (const { model, aliases, provider } of source.stats().endpoints) {
    for (const id of [model, ...aliases]) if (!models.has(id)) models.set(id, modelEntry(id, provider));
  }
  return [...models.values()];
}

/**
 * Finds a model by its name or an alias.
 *
 * @throws ERR_AI_NO_ENDPOINT (404)
 */
export function findModel(source: ModelSource, id: string): ModelEntry {
  const listed = listModels(source).find((model) => model.id === id);
  if (listed) return listed;
  // Throws if no endpoint serves that name.
  const { pick } = source.explain({ model: id, messages: [{ role: 'user', content: '' }] });
  const provider = source.stats().endpoints.find(({ name }) => name === pick)?.provider;
  return modelEntry(id, provider ?? 'system');
}

function modelEntry(id: string, owned_by: string): ModelEntry {
  return { id, object: 'model', created: 0, owned_by };
}
