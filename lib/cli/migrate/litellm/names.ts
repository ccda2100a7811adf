import type { Migration } from '../migration';
import type { Groups } from './endpoints';

/**
 * The name by which calls request a group: its `model_name`, unless that is the name of another model in the written
 * configuration.
 */
export type CallNames = Map<string, string>;

/**
 * For each group whose name is itself a model, the other models of the group. They become fallbacks of the model that
 * the group is named after.
 */
export type Extras = Map<string, string[]>;

/**
 * Gives endpoints the names by which calls request them. In this package, that is the model or an alias, and an alias
 * can't be the name of another model.
 */
export function assignNames(groups: Groups, migration: Migration): { names: CallNames; extras: Extras } {
  const names: CallNames = new Map();
  const extras: Extras = new Map();
  for (const members of groups.values()) alignAzureModels(members.map(({ endpoint }) => endpoint));
  const models = new Set(migration.endpoints.map(({ model }) => model));
  for (const [group, members] of groups) {
    const endpoints = members.map(({ endpoint }) => endpoint);
    const others = endpoints.filter(({ model }) => model !== group);
    const [other] = others;
    if (!models.has(group)) for (const { aliases } of endpoints) aliases.add(group);
    names.set(group, group);
    if (!other || !models.has(group)) continue;
    if (others.length < endpoints.length) {
      const next = [...new Set(others.map(({ model }) => model))];
      extras.set(group, next);
      migration.checkFirst(
        other.path,
        `'${group}' is a model's own name, so ${next.join(', ')} can not share it: they are its fallbacks, used when no endpoint of '${group}' can serve a call`,
      );
    } else {
      const name = freeName(group, models, groups);
      for (const { aliases } of endpoints) aliases.add(name);
      names.set(group, name);
      migration.checkFirst(
        other.path,
        `'${group}' is the name of another model in this file: calls ask for '${name}' instead`,
      );
    }
  }
  return { names, extras };
}

function freeName(group: string, models: ReadonlySet<string>, groups: Groups): string {
  let name = `${group}-group`;
  while (models.has(name) || groups.has(name)) name += '-';
  return name;
}

type Endpoints = readonly { model: string; settings: Record<string, unknown> }[];

/** Gives Azure endpoints the model name of the others of their group, since the name of a deployment is arbitrary. */
function alignAzureModels(endpoints: Endpoints): void {
  const other = endpoints.find(({ settings }) => settings.provider !== 'azure');
  if (!other) return;
  for (const endpoint of endpoints) {
    if (endpoint.settings.provider !== 'azure' || !other.model.startsWith(endpoint.model)) continue;
    endpoint.settings.deployment ??= endpoint.model;
    endpoint.model = other.model;
    if (endpoint.settings.deployment === endpoint.model) delete endpoint.settings.deployment;
  }
}

/**
 * A call that names a model reaches all endpoints of the model, including those of other groups. If a group consists
 * only of such endpoints, they get a later tier, so that calls go to the endpoints of the named group, as in LiteLLM.
 */
export function separateSharedModels(groups: Groups, migration: Migration): void {
  for (const [group, members] of groups) {
    const shared = members.filter(
      ({ endpoint }) => endpoint.model !== group && groups.has(endpoint.model) && endpoint.tier === 0,
    );
    const [model, ...others] = new Set(members.map(({ endpoint }) => endpoint.model));
    const own = groups.get(model ?? '')?.filter((member) => member.endpoint.model === model) ?? [];
    const isSeparate = others.length === 0 && own.length > 0 && own.every((each) => !members.includes(each));
    const shift = isSeparate ? Math.max(...own.map(({ endpoint }) => endpoint.tier)) + 1 : 0;
    for (const { endpoint } of shared) {
      migration.checkFirst(
        endpoint.path,
        isSeparate
          ? `calls for '${endpoint.model}' reach this endpoint too, because it is its model: it has tier ${String(shift)}, so only when no endpoint of '${endpoint.model}' can start within 250 ms`
          : `calls for '${endpoint.model}' reach this endpoint too, because it is its model: set tier to use it later`,
      );
    }
    if (shared.length > 0) for (const { endpoint } of members) endpoint.tier += shift;
  }
}

/** Adds `router_settings.model_group_alias`. */
export function addAliases(
  alias: string,
  group: string,
  path: string,
  groups: Groups,
  migration: Migration,
): void {
  const members = groups.get(group);
  if (!members) migration.leftOut(path, `no endpoint is left for '${group}'`);
  else if (groups.has(alias) || migration.endpoints.some(({ model }) => model === alias))
    migration.leftOut(path, `'${alias}' is the name of another model or group`);
  else for (const { endpoint } of members) endpoint.aliases.add(alias);
}
