import { profileOf } from '../../../models/catalogue';
import { isObject } from '../../../util/is-object';
import { writeAttempts } from '../call-chains';
import type { Migration } from '../migration';
import { Section } from '../section';
import { type GroupMember, type Groups, readModelList } from './endpoints';
import { Fallbacks, readFallbacks } from './fallbacks';
import { addAliases, assignNames, type CallNames, separateSharedModels } from './names';
import { leaveOutRest, type Settings, writeOptions } from './settings';

/** Returns the environment variable that a text of the form `os.environ/NAME` refers to. */
export function litellmVariable(text: string): string | undefined {
  return /^os\.environ\/(\S+)$/.exec(text.trim())?.[1];
}

/** Converts the configuration of a LiteLLM proxy. */
export function readLitellm(value: unknown, migration: Migration): void {
  const root = new Section(value, '', migration);
  const settings: Settings = {
    router: root.section('router_settings'),
    litellm: root.section('litellm_settings'),
    general: root.section('general_settings'),
  };
  const groups = readModelList(root, migration);
  for (const members of groups.values()) setTiers(members);
  const { names, extras } = assignNames(groups, migration);
  const aliases = settings.router?.section('model_group_alias');
  if (aliases)
    for (const alias of aliases.names) {
      const entry = aliases.raw(alias);
      const group = isObject(entry) ? entry.model : entry;
      if (typeof group === 'string') addAliases(alias, group, aliases.at(alias), groups, migration);
      else migration.leftOut(aliases.at(alias), 'names no model');
    }
  writeOptions(settings, migration);
  if (migration.options.strategy === 'weighted') for (const members of groups.values()) setWeights(members);
  setMaxConcurrent(settings, migration);

  const fallbacks = new Fallbacks(groups, names, extras, migration);
  for (const list of bothLists(settings, 'fallbacks')) fallbacks.add(list);
  for (const section of [settings.router, settings.litellm]) {
    const standard = section?.texts('default_fallbacks') ?? [];
    if (section && standard.length > 0)
      fallbacks.add({ path: section.at('default_fallbacks'), group: '*', targets: standard });
  }
  for (const list of bothLists(settings, 'context_window_fallbacks')) {
    fallbacks.add(list);
    migration.checkFirst(
      list.path,
      'joined with the other fallbacks: these models also serve when the quota is used up and in an outage, at their own prices; a call that is too long goes to larger windows only',
    );
  }
  migration.options.fallbacks = fallbacks.lists;
  const refused = new Fallbacks(groups, names, new Map(), migration);
  for (const list of bothLists(settings, 'content_policy_fallbacks')) refused.add(list);
  if (Object.keys(refused.lists).length > 0) migration.options.contentPolicyFallbacks = refused.lists;
  separateSharedModels(groups, migration);
  writeAttempts(migration);
  migration.askedModel = firstChatGroup(groups, names);

  readMasterKey(settings, migration);
  const environment = root.section('environment_variables');
  for (const name of environment?.names ?? [])
    migration.changed(`environment_variables.${name}`, 'set it in the environment of the process');
  root.leaveOut('include', 'migrate each included file as well');
  leaveOutRest(settings);
  root.leaveOutRest();
}

/** Returns the name by which calls request the first group with chat endpoints. */
function firstChatGroup(groups: Groups, names: CallNames): string | undefined {
  const [group] = [...groups].find(([, members]) => members.some(isChat)) ?? [];
  return group === undefined ? undefined : names.get(group);
}

function isChat({ endpoint }: GroupMember): boolean {
  const own = endpoint.settings.capabilities as readonly string[] | undefined;
  return (own ?? profileOf(endpoint.model).profile.capabilities).includes('chat');
}

/** Reads fallback lists. Those of the router take precedence over those of the library. */
function bothLists({ router, litellm }: Settings, name: string): ReturnType<typeof readFallbacks> {
  const ofRouter = readFallbacks(router, name);
  const ofLibrary = readFallbacks(litellm, name);
  return ofRouter.length > 0 ? ofRouter : ofLibrary;
}

/** Sets tiers by `order`: the lowest is tried first, endpoints without one last. */
function setTiers(members: readonly GroupMember[]): void {
  const orders = [...new Set(members.flatMap(({ order }) => order ?? []))].sort((a, b) => a - b);
  for (const { endpoint, order } of members)
    endpoint.tier = order === undefined ? orders.length : orders.indexOf(order);
}

/** Sets weights as LiteLLM's simple-shuffle does without them: in proportion to rpm, or else to tpm. */
function setWeights(members: readonly GroupMember[]): void {
  if (members.some(({ endpoint }) => endpoint.settings.weight !== undefined)) return;
  for (const tier of new Set(members.map(({ endpoint }) => endpoint.tier))) {
    const settings = members
      .filter(({ endpoint }) => endpoint.tier === tier)
      .map(({ endpoint }) => endpoint.settings);
    const limit = ['rpm', 'tpm'].find((name) => settings.every((each) => typeof each[name] === 'number'));
    const isUneven = limit !== undefined && new Set(settings.map((each) => each[limit])).size > 1;
    if (isUneven) for (const each of settings) each.weight = each[limit];
  }
}

/** Applies `general_settings.max_parallel_requests`, the default for every endpoint. */
function setMaxConcurrent({ general }: Settings, migration: Migration): void {
  const standard = general?.number('max_parallel_requests');
  if (standard === undefined) return;
  for (const { settings } of migration.endpoints) settings.maxConcurrent ??= standard;
}

function readMasterKey({ general }: Settings, migration: Migration): void {
  const key = general?.text('master_key');
  if (!general || key === undefined) return;
  const path = general.at('master_key');
  migration.token = migration.secret(key, path, 'GATEWAY_TOKEN');
  migration.changed(
    path,
    'the token of clients: --serve writes it, or authenticate of aiGateway checks it (docs/gateway.md)',
  );
}
