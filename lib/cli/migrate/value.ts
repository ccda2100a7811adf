/** How a variable of the environment is used in the written configuration. */
export type VariableUse = 'optional' | 'required' | 'number';

/** A variable of the environment in the place of a value. */
export class Variable {
  constructor(
    readonly name: string,
    readonly use: VariableUse = 'optional',
  ) {}

  /** As an expression of JavaScript. */
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

/** What calls ask for, where, and under which limits: an endpoint of the written configuration. */
export interface DraftEndpoint {
  /** Its place in the source, for notes. */
  readonly path: string;
  readonly name: string;
  model: string;
  readonly aliases: Set<string>;
  tier: number;
  /** All other fields of an EndpointConfig. */
  readonly settings: Record<string, Value | undefined>;
}
