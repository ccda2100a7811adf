import { isObject } from '../../util/is-object';
import type { Migration } from './migration';
import { Variable } from './value';

/** An object of the source. It tracks which fields have not been read, so that none is lost without a note. */
export class Section {
  readonly #fields: Record<string, unknown>;
  readonly #unread: Set<string>;

  constructor(
    value: unknown,
    readonly path: string,
    readonly migration: Migration,
  ) {
    if (!isObject(value)) throw migration.fault(path || 'the file', 'an object', kindOf(value));
    this.#fields = value;
    this.#unread = new Set(Object.keys(value).filter((name) => value[name] != null));
  }

  get names(): readonly string[] {
    return Object.keys(this.#fields);
  }

  has(name: string): boolean {
    return this.#fields[name] != null;
  }

  at(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }

  /** Reads a field. Returns undefined also for null, which in YAML is a field without a value. */
  raw(name: string): unknown {
    this.#unread.delete(name);
    return Object.hasOwn(this.#fields, name) ? (this.#fields[name] ?? undefined) : undefined;
  }

  /** Reads a text; converts numbers and booleans to text. */
  text(name: string): string | undefined {
    const value = this.raw(name);
    if (value === undefined || typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    throw this.#fault(name, 'a text', value);
  }

  /** Reads a number, or the environment variable that contains it. */
  number(name: string): number | Variable | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    const variable = typeof value === 'string' ? this.migration.variableIn(value) : undefined;
    if (variable !== undefined) return this.migration.variable(variable, 'number');
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof number === 'number' && Number.isFinite(number)) return number;
    throw this.#fault(name, 'a number', value);
  }

  /** Reads a literal number. Adds a note for a variable, whose value is not known here. */
  plainNumber(name: string): number | undefined {
    const value = this.number(name);
    if (!(value instanceof Variable)) return value;
    this.migration.variables.delete(value.name);
    this.migration.leftOut(
      this.at(name),
      'a variable of the environment can not be converted: write the number',
    );
    return undefined;
  }

  flag(name: string): boolean | undefined {
    const value = this.raw(name);
    if (value === undefined || typeof value === 'boolean') return value;
    if (value === 'true' || value === 'false') return value === 'true';
    throw this.#fault(name, 'true or false', value);
  }

  list(name: string): readonly unknown[] | undefined {
    const value = this.raw(name);
    if (value === undefined || Array.isArray(value)) return value as readonly unknown[] | undefined;
    throw this.#fault(name, 'a list', value);
  }

  texts(name: string): readonly string[] {
    const list = this.list(name) ?? [];
    const other = list.find((value) => typeof value !== 'string');
    if (other !== undefined) throw this.#fault(name, 'a list of texts', other);
    return list as readonly string[];
  }

  section(name: string): Section | undefined {
    const value = this.raw(name);
    return value === undefined ? undefined : new Section(value, this.at(name), this.migration);
  }

  sections(name: string): readonly Section[] {
    return (this.list(name) ?? []).map(
      (value, index) => new Section(value, `${this.at(name)}[${String(index)}]`, this.migration),
    );
  }

  /** Adds a note why a field is left out, if the source has it. */
  leaveOut(name: string, reason: string): void {
    if (this.raw(name) !== undefined) this.migration.leftOut(this.at(name), reason);
  }

  /** Adds a note for every field that has not been read. Does not show the values, which may be secret. */
  leaveOutRest(reasons: Readonly<Record<string, string>> = {}, standard = 'has no counterpart'): void {
    for (const name of [...this.#unread])
      this.leaveOut(name, (Object.hasOwn(reasons, name) ? reasons[name] : undefined) ?? standard);
  }

  #fault(name: string, expected: string, value: unknown): Error {
    return this.migration.fault(this.at(name), expected, kindOf(value));
  }
}

/** Describes the kind of a value. Does not show text, which may be secret. */
function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : 'a text';
}
