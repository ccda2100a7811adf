import { createHash } from 'node:crypto';
import type { Call, ResponseRequest } from '../call/call';

/** The properties of an endpoint that decide how a Responses call is sent to it. */
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
 * Returns the Responses request if the endpoint gets it untranslated; otherwise undefined. An endpoint with the
 * Responses API gets the translation too if the request refers to an item that is stored under another account.
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

/**
 * Identifies the account under which a provider stores responses: equal for endpoints with the same base URL and key.
 */
export function accountOf(settings: ResponseEndpoint['settings']): string {
  const known = accounts.get(settings);
  if (known !== undefined) return known;
  const { name, baseURL, apiKey } = settings;
  // A key that a function returns may change, so the endpoint's name stands for it.
  const text = JSON.stringify([baseURL, typeof apiKey === 'string' ? apiKey : { name }]);
  const account = createHash('sha256').update(text).digest('base64');
  accounts.set(settings, account);
  return account;
}
