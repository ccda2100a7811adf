import { isObject } from '../../../util/is-object';
import type { Migration } from '../migration';
import type { Section } from '../section';
import type { GroupMember, Groups } from './endpoints';
import type { CallNames, Extras } from './names';

/** An entry of `fallbacks`, with its path in the source. */
interface FallbackList {
  readonly path: string;
  readonly group: string;
  readonly targets: readonly string[];
}

/** Reads a list of objects such as `[{ gpt-4o: [claude] }]`. */
export function readFallbacks(section: Section | undefined, name: string): readonly FallbackList[] {
  if (!section) return [];
  return (section.list(name) ?? []).flatMap((entry, index) => {
    const path = `${section.at(name)}[${String(index)}]`;
    if (!isObject(entry))
      throw section.migration.fault(path, 'an object of a model and a list', 'something else');
    return Object.entries(entry).map(([group, value]): FallbackList => {
      const list: readonly unknown[] = Array.isArray(value) ? value : [value];
      const targets = list.filter((target) => typeof target === 'string');
      if (targets.length < list.length)
        section.migration.leftOut(
          `${path}.${group}`,
          'fallbacks with a body of their own: only names are kept',
        );
      return { path: `${path}.${group}`, group, targets };
    });
  });
}

/** Builds fallback lists with the names that calls use in the written configuration. */
export class Fallbacks {
  readonly #groups: Groups;
  readonly #names: CallNames;
  readonly #migration: Migration;
  readonly #lists = new Map<string, string[]>();

  constructor(groups: Groups, names: CallNames, extras: Extras, migration: Migration) {
    this.#groups = groups;
    this.#names = names;
    this.#migration = migration;
    for (const [group, models] of extras) this.#lists.set(group, [...models]);
  }

  add({ path, group, targets }: FallbackList): void {
    const from = group === '*' ? '*' : this.#names.get(group);
    if (from === undefined) {
      this.#migration.leftOut(path, `no endpoint is left for '${group}'`);
      return;
    }
    const list = this.#lists.get(from) ?? [];
    for (const target of targets) {
      const name = this.#nameOf(target);
      if (name === undefined) this.#migration.leftOut(path, `no endpoint is left for '${target}'`);
      else if (group !== '*' && this.#isSameModel(group, target)) this.#useLater(group, target, path);
      else if (name !== from && !list.includes(name)) list.push(name);
    }
    if (list.length > 0) this.#lists.set(from, list);
  }

  get lists(): Readonly<Record<string, readonly string[]>> {
    return Object.fromEntries(this.#lists);
  }

  #membersOf(target: string): readonly GroupMember[] {
    const group = this.#groups.get(target);
    if (group) return group;
    return [...this.#groups.values()].flat().filter(({ id }) => id === target);
  }

  /** Returns the name for a group, or for one endpoint given by its id, which becomes its alias. */
  #nameOf(target: string): string | undefined {
    const name = this.#names.get(target);
    const [member] = this.#membersOf(target);
    if (name !== undefined || !member) return name;
    // An id that is also the name of a model can't be an alias, so that the name of the endpoint's model is used.
    if (this.#isModel(target)) return member.endpoint.model;
    member.endpoint.aliases.add(target);
    return target;
  }

  #isModel(name: string): boolean {
    return this.#migration.endpoints.some(({ model }) => model === name);
  }

  #isSameModel(group: string, target: string): boolean {
    const models = new Set(this.#membersOf(group).map(({ endpoint }) => endpoint.model));
    return this.#membersOf(target).every(({ endpoint }) => models.has(endpoint.model));
  }

  /**
   * Puts the target's endpoints into a later tier than the group's, because in this package a model can't be a fallback
   * of itself.
   */
  #useLater(group: string, target: string, path: string): void {
    const own = this.#membersOf(group).map(({ endpoint }) => endpoint);
    const tier = Math.max(...own.map((endpoint) => endpoint.tier)) + 1;
    const name = this.#names.get(group) ?? group;
    for (const { endpoint } of this.#membersOf(target)) {
      if (own.includes(endpoint)) continue;
      endpoint.tier = Math.max(endpoint.tier, tier);
      // A model's name can't be an alias; endpoints of that model are reached by the name anyway.
      if (!this.#isModel(name)) endpoint.aliases.add(name);
    }
    this.#migration.changed(
      path,
      `'${target}' is the same model: a later tier of '${name}', used when no earlier endpoint can start within 250 ms`,
    );
  }
}
