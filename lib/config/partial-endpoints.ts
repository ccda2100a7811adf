import { isObject } from '../util/is-object';

/** What can be read of an endpoint whose configuration may still be wrong, so that every fault comes out at once. */
export interface PartialEndpoint {
  readonly index: number;
  readonly name: string | undefined;
  readonly model: string | undefined;
  readonly provider: string | undefined;
  readonly baseURL: unknown;
  readonly quotaGroup: string | undefined;
  readonly aliases: readonly string[];
  /** The option is written down and its value is undefined: a variable of the environment that is not set. */
  readonly isApiKeyUndefined: boolean;
}

/** The endpoints as far as they can be read. */
export function readPartialEndpoints(raw: unknown): PartialEndpoint[] {
  const endpoints = isObject(raw) && Array.isArray(raw.endpoints) ? (raw.endpoints as unknown[]) : [];
  return endpoints.map((endpoint, index) => readPartialEndpoint(isObject(endpoint) ? endpoint : {}, index));
}

function readPartialEndpoint(endpoint: Record<string, unknown>, index: number): PartialEndpoint {
  return {
    index,
    name: nonEmptyString(endpoint.name),
    model: nonEmptyString(endpoint.model),
    provider: nonEmptyString(endpoint.provider),
    baseURL: endpoint.baseURL,
    quotaGroup: nonEmptyString(endpoint.quotaGroup),
    aliases: Array.isArray(endpoint.aliases)
      ? endpoint.aliases.filter((alias) => typeof alias === 'string')
      : [],
    isApiKeyUndefined: Object.hasOwn(endpoint, 'apiKey') && endpoint.apiKey === undefined,
  };
}

function nonEmptyString(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
