import type { Dialect } from './dialect';
import { openaiDialect } from './openai';
import { OPENAI_COMPATIBLE } from './presets/providers';

/** The dialects of the known providers, by provider name. */
export const BUILT_IN_DIALECTS: ReadonlyMap<string, Dialect> = new Map(
  Object.keys(OPENAI_COMPATIBLE).map((provider) => [provider, openaiDialect]),
);

/** The base URL of a known provider; undefined for any other. */
export function defaultBaseURL(provider: string): string | undefined {
  return Object.hasOwn(OPENAI_COMPATIBLE, provider) ? OPENAI_COMPATIBLE[provider]?.baseURL : undefined;
}
