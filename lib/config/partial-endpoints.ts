import { isObject } from '../util/is-object';

/** What can be read of an endpoint whose configuration may still be wrong, so that every fault comes out at once. */
export interface EndpointSketch {
  readonly index: number;
  readonly name: string | undefined;
  readonly model: string | undefined;
  readonly provider: string | undefined;
  readonly baseURL: unknown;
  readonly quotaGroup: string | undefined;
  readonly aliases: readonly string[];
  /** The option is written down and its value is undefined: a variable of the environment that is not set. */
  readonly keyIsUndefined: boolean;
}

/** The endpoints as far as they can be read. */
export function sketchEndpoints(raw: unknown): EndpointSketch[] {
  const endpoints = isObject(raw) && Array.isArray(raw.endpoints) ? (raw.endpoints as unknown[]) : [];
  return endpoints.map((endpoint, index) => sketch(isObject(endpoint) ? endpoint : {}, index));
}

function sketch(endpoint: Record<string, unknown>, index: number): EndpointSketch {
  return {
    index,
    name: text(endpoint.name),
    model: text(endpoint.model),
    provider: text(endpoint.provider),
    baseURL: endpoint.baseURL,
    quotaGroup: text(endpoint.quotaGroup),
    aliases: Array.isArray(endpoint.aliases)
      ? endpoint.aliases.filter((alias) => typeof alias === 'string')
      : [],
    keyIsUndefined: Object.hasOwn(endpoint, 'apiKey') && endpoint.apiKey === undefined,
  };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
