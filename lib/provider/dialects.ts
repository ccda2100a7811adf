import type { Dialect } from './dialect';
import { openaiDialect } from './openai/openai-dialect';

interface ProviderInfo {
  readonly baseURL: string;
  /** False for a server on your own machine that takes calls without a key. */
  readonly needsKey: boolean;
}

/** Providers with a known base URL that speak the OpenAI wire format. */
export const OPENAI_COMPATIBLE: Readonly<Record<string, ProviderInfo>> = {
  openai: { baseURL: 'https://api.openai.com/v1', needsKey: true },
  holysheep: { baseURL: 'https://api.holysheep.ai/v1', needsKey: true },
  deepseek: { baseURL: 'https://api.deepseek.com/v1', needsKey: true },
  groq: { baseURL: 'https://api.groq.com/openai/v1', needsKey: true },
  mistral: { baseURL: 'https://api.mistral.ai/v1', needsKey: true },
  openrouter: { baseURL: 'https://openrouter.ai/api/v1', needsKey: true },
  ollama: { baseURL: 'http://127.0.0.1:11434/v1', needsKey: false },
};

/** The dialects of the known providers, by provider name. */
export const BUILT_IN_DIALECTS: ReadonlyMap<string, Dialect> = new Map(
  Object.keys(OPENAI_COMPATIBLE).map((provider) => [provider, openaiDialect]),
);

/** The base URL of a known provider; undefined for any other. */
export function defaultBaseURL(provider: string): string | undefined {
  return Object.hasOwn(OPENAI_COMPATIBLE, provider) ? OPENAI_COMPATIBLE[provider]?.baseURL : undefined;
}
