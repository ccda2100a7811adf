import { withDocUrls } from '../doc-urls';
import { UsageError } from '../usage-error';
import { type DraftEndpoint, type Value, Variable, type VariableUse } from './value';

/** A note for the user of the written configuration. */
export interface Note {
  /** 'check first' is for changes that affect who is billed or whether a call succeeds. */
  readonly kind: 'check first' | 'changed' | 'left out';
  /** Path in the source, such as `router_settings.num_retries`. */
  readonly path: string;
  readonly text: string;
}

/** Minimum length of a secret that is redacted in texts. A shorter one may be part of another word by chance. */
const MIN_REDACTED = 6;
/** Matches the words that are commonly given as the key of a server that needs none. */
const NO_KEY =
  /^(?:none|null|dummy|fake|anything|empty|ollama|lm-studio|no-key|not-?needed|sk-none|sk-no-key-required)$/i;

/** Whether the text that is given as a key means that there is no key. */
export function isNoKey(text: string): boolean {
  return NO_KEY.test(text.trim());
}

/** The result of converting a source: endpoints, options, variables and notes. It never shows the source's secrets. */
export class Migration {
  readonly endpoints: DraftEndpoint[] = [];
  readonly options: Record<string, Value | undefined> = {};
  readonly notes: Note[] = [];
  /** The largest number of retries in the source, and its path. */
  retries: { readonly path: string; readonly count: number } | undefined;
  /** The model for the simulate command that the output suggests. Default: the first endpoint's model. */
  askedModel: string | undefined;
  /** The token that clients send, if the source has one. */
  token: Variable | undefined;
  /** Environment variables, with the path at which the source contains the value itself, if it does. */
  readonly variables = new Map<string, string | undefined>();
  readonly #endpointsLeftOut: string[] = [];
  readonly #secrets = new Map<string, string>();
  /** Variables for keys that the source refers to by an id without containing them, by that id. */
  readonly #elsewhere = new Map<string, string>();
  readonly #endpointNames = new Set<string>();

  /**
   * @param file Name of the source file, for messages.
   * @param models The models given with `--model`.
   * @param variableIn Returns the environment variable that a text of the source refers to.
   * @param referred All variables that the source refers to. New variables must not have the same names.
   */
  constructor(
    readonly file: string,
    readonly models: readonly string[],
    readonly variableIn: (text: string) => string | undefined,
    readonly referred: ReadonlySet<string> = new Set(),
  ) {}

  /** Adds a note about a change that affects who is billed or whether a call succeeds. */
  checkFirst(path: string, text: string): void {
    this.#note('check first', path, text);
  }

  changed(path: string, text: string): void {
    this.#note('changed', path, text);
  }

  leftOut(path: string, text: string): void {
    this.#note('left out', path, text);
  }

  /** Adds a note for an endpoint that is left out. */
  endpointLeftOut(path: string, text: string): void {
    this.leftOut(path, text);
    this.#endpointsLeftOut.push(`${path}: ${withDocUrls(text)}`);
  }

  /** The first endpoint that was left out and the reason; undefined if none was. */
  get firstEndpointLeftOut(): string | undefined {
    return this.#endpointsLeftOut[0];
  }

  /** Records a number of retries. The largest one is used for all calls. */
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

  /** Returns the variable that a text refers to, or else the text itself. For texts that are not secret. */
  textOrVariable(text: string): string | Variable {
    const name = this.variableIn(text);
    return name === undefined ? text : this.variable(name);
  }

  /** Returns the variable that a text refers to, or else a new one in its place. For texts that may be secret. */
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

  /**
   * Returns the variable for a key that the source refers to by an id without containing it; the same variable for
   * equal ids.
   */
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

  /** Forgets the variables of parts that are left out. @param used The names of those that the written file uses. */
  keepVariables(used: ReadonlySet<string>): void {
    for (const name of [...this.variables.keys()]) if (!used.has(name)) this.variables.delete(name);
  }

  /** Returns an unused name for an endpoint. */
  endpointName(wanted: string, isAlone: boolean): string {
    let name = isAlone ? wanted : `${wanted}-1`;
    for (let count = 2; this.#endpointNames.has(name); count++) name = `${wanted}-${String(count)}`;
    this.#endpointNames.add(name);
    return name;
  }

  /** Replaces secrets of the source wherever they appear in a text. */
  redact(text: string): string {
    let safe = text;
    for (const secret of this.#secrets.keys()) {
      if (secret.length < MIN_REDACTED || isNoKey(secret)) continue;
      safe = safe.replaceAll(secret, '[secret]').replaceAll(JSON.stringify(secret).slice(1, -1), '[secret]');
    }
    return safe;
  }

  /** Creates the error for an invalid value. @param got A description of the value, which must not show text. */
  fault(path: string, expected: string, got: string): UsageError {
    return new UsageError(this.redact(`${this.file}: ${path}: expected ${expected}, got ${got}`));
  }
}
