/** How the written configuration uses an environment variable. */
export type VariableUse = 'optional' | 'required' | 'number';

/** An environment variable in place of a value. */
export class Variable {
  constructor(
    readonly name: string,
    readonly use: VariableUse,
  ) {}

  /** The variable as a JavaScript expression. */
  get code(): string {
    const read = /^[A-Za-z_]\w*$/.test(this.name)
      ? `process.env.${this.name}`
      : `process.env[${JSON.stringify(this.name)}]`;
    if (this.use === 'number') return `Number(${read})`;
    return this.use === 'required' ? `${read} ?? ''` : read;
  }
}

/** A value of the written configuration. */
export type Value =
  | string
  | number
  | boolean
  | Variable
  | readonly Value[]
  | { readonly [name: string]: Value | undefined };

/** An endpoint of the written configuration. */
export interface DraftEndpoint {
  /** Path in the source, for notes. */
  readonly path: string;
  readonly name: string;
  model: string;
  readonly aliases: Set<string>;
  tier: number;
  /** All other fields of an EndpointConfig. */
  readonly settings: Record<string, Value | undefined>;
}
