import { createHash } from 'node:crypto';
import type { Call, ResponseRequest } from '../call/call';

/** Of an endpoint, what decides how a Responses call is sent to it. */
export interface ResponseEndpoint {
  readonly settings: {
    readonly name: string;
    readonly baseURL: string;
    readonly apiKey: unknown;
    readonly capabilities: ReadonlySet<string>;
  };
  readonly dialect: {
    /** Absent if the provider's wire format has no Responses API. */
    readonly responses?: unknown;
  };
}

/**
 * The Responses request, if the endpoint gets it as it is; undefined if it gets the translation. What another account
 * keeps, an endpoint can't refer to: it gets the translation too.
 */
export function nativeRequest(
  { responses }: Call,
  { settings, dialect }: ResponseEndpoint,
): ResponseRequest | undefined {
  if (!responses || responses.isTranslated || !dialect.responses || !settings.capabilities.has('responses'))
    return undefined;
  const { keptAt } = responses;
  return keptAt === undefined || keptAt === accountOf(settings) ? responses : undefined;
}

const accounts = new WeakMap<object, string>();

/** Equal for endpoints that share what a provider keeps: those with one base URL and key. */
export function accountOf(settings: ResponseEndpoint['settings']): string {
  const known = accounts.get(settings);
  if (known !== undefined) return known;
  const { name, baseURL, apiKey } = settings;
  // A key that a function returns may change.
  const text = JSON.stringify([baseURL, typeof apiKey === 'string' ? apiKey : { name }]);
  const account = createHash('sha256').update(text).digest('base64');
  accounts.set(settings, account);
  return account;
}
