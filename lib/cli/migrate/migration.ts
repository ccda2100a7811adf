import { withDocUrls } from '../doc-urls';
import { UsageError } from '../usage-error';
import { type DraftEndpoint, type Value, Variable, type VariableUse } from './value';

/** Something that the reader of the written configuration must know. */
export interface Note {
  /** 'check first' changes who is billed, or whether a call succeeds. */
  readonly kind: 'check first' | 'changed' | 'left out';
  /** In the source, such as `router_settings.num_retries`. */
  readonly path: string;
  readonly text: string;
}

/** A shorter secret may be part of another word by chance. */
const MIN_REDACTED = 6;
/** Placeholders that people write for servers without keys. */
const NO_SECRET = /^(?:none|null|dummy|fake|anything|empty|ollama|not-?needed)$/i;

/** What a source becomes: endpoints, options, variables and notes. It never shows a secret that the source holds. */
export class Migration {
  readonly endpoints: DraftEndpoint[] = [];
  readonly options: Record<string, Value | undefined> = {};
  readonly notes: Note[] = [];
  /** The largest number of retries that the source has, and where. */
  retries: { readonly path: string; readonly count: number } | undefined;
  /** What calls of clients ask for, such as the first group of the source. Default: the first endpoint's model. */
  askedModel: string | undefined;
  /** The token of clients, if the source has one. */
  token: Variable | undefined;
  /** Variables of the environment; with the place where the source has the value itself, if it has. */
  readonly variables = new Map<string, string | undefined>();
  readonly #secrets = new Map<string, string>();
  /** Keys that stand elsewhere, by what the source calls them. */
  readonly #elsewhere = new Map<string, string>();
  readonly #endpointNames = new Set<string>();

  /**
   * @param file For messages.
   * @param models Models that `--model` names.
   * @param variableIn The variable of the environment that a text of the source refers to.
   * @param referred All variables that the source refers to: a new one must not have the name of one of them.
   */
  constructor(
    readonly file: string,
    readonly models: readonly string[],
    readonly variableIn: (text: string) => string | undefined,
    readonly referred: ReadonlySet<string> = new Set(),
  ) {}

  /** Notes what changes who is billed, or whether a call succeeds. */
  checkFirst(path: string, text: string): void {
    this.#note('check first', path, text);
  }

  changed(path: string, text: string): void {
    this.#note('changed', path, text);
  }

  leftOut(path: string, text: string): void {
    this.#note('left out', path, text);
  }

  /** The largest number of retries holds for all calls. */
  addRetries(path: string, count: number): void {
    if (!this.retries || count > this.retries.count) this.retries = { path, count };
  }

  #note(kind: Note['kind'], path: string, message: string): void {
    const text = withDocUrls(message);
    if (!this.notes.some((note) => note.kind === kind && note.path === path && note.text === text))
      this.notes.push({ kind, path, text });
  }

  variable(name: string, use: VariableUse = 'optional'): Variable {
    if (!this.variables.has(name)) this.variables.set(name, undefined);
    return new Variable(name, use);
  }

  /** A text that is not secret: the variable it refers to, or the text itself. */
  textOrVariable(text: string): string | Variable {
    const name = this.variableIn(text);
    return name === undefined ? text : this.variable(name);
  }

  /** A text that may be secret: the variable it refers to, or a new one for what the source has written out. */
  secret(text: string, path: string, name: string, use: VariableUse = 'optional'): Variable {
    const referred = this.variableIn(text);
    if (referred !== undefined) return this.variable(referred, use);
    const known = this.#secrets.get(text);
    if (known !== undefined) return new Variable(known, use);
    const free = this.#freeName(name);
    this.#secrets.set(text, free);
    this.variables.set(free, path);
    return new Variable(free, use);
  }

  /** The variable for a key that the source only names. */
  keyOf(id: string, name: string): Variable {
    const known = this.#elsewhere.get(id) ?? this.#freeName(name);
    this.#elsewhere.set(id, known);
    return this.variable(known);
  }

  #freeName(name: string): string {
    let free = name;
    for (let count = 2; this.variables.has(free) || this.referred.has(free); count++)
      free = `${name}_${String(count)}`;
    return free;
  }

  /** A free name for an endpoint. */
  endpointName(wanted: string, isAlone: boolean): string {
    let name = isAlone ? wanted : `${wanted}-1`;
    for (let count = 2; this.#endpointNames.has(name); count++) name = `${wanted}-${String(count)}`;
    this.#endpointNames.add(name);
    return name;
  }

  /** Replaces secrets that the source has in other places as well. */
  redact(text: string): string {
    let safe = text;
    for (const secret of this.#secrets.keys()) {
      if (secret.length < MIN_REDACTED || NO_SECRET.test(secret)) continue;
      safe = safe.replaceAll(secret, '[secret]').replaceAll(JSON.stringify(secret).slice(1, -1), '[secret]');
    }
    return safe;
  }

  /** @param got A description, or a value that is not a text. */
  fault(path: string, expected: string, got: string): UsageError {
    return new UsageError(this.redact(`${this.file}: ${path}: expected ${expected}, got ${got}`));
  }
}
