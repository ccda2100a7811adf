import type { Balancer } from '../balancer/balancer';

/** A model as OpenAI's API lists it. */
export interface ModelEntry {
  readonly id: string;
  readonly object: 'model';
  /** Unknown; OpenAI's type requires a number. */
  readonly created: 0;
  readonly owned_by: string;
}

/** The endpoints' models and aliases, each once. Endpoint state is ignored, so that the list is stable. */
export function listModels(balancer: Balancer): readonly ModelEntry[] {
  const models = new Map<string, ModelEntry>();
  for (const { model, aliases, provider } of balancer.stats().endpoints) {
    for (const id of [model, ...aliases]) if (!models.has(id)) models.set(id, modelEntry(id, provider));
  }
  return [...models.values()];
}

/**
 * Finds a model by its name or an alias.
 *
 * @throws ERR_AI_NO_ENDPOINT (404)
 */
export function findModel(balancer: Balancer, id: string): ModelEntry {
  const listed = listModels(balancer).find((model) => model.id === id);
  if (listed) return listed;
  // Throws if no endpoint serves that name.
  const { pick } = balancer.explain({ model: id, messages: [{ role: 'user', content: '' }] });
  const provider = balancer.stats().endpoints.find(({ name }) => name === pick)?.provider;
  return modelEntry(id, provider ?? 'system');
}

function modelEntry(id: string, owned_by: string): ModelEntry {
  return { id, object: 'model', created: 0, owned_by };
}
