import { anthropicDialect } from './anthropic/anthropic-dialect';
import { azureDialect } from './azure/azure-dialect';
import type { Dialect } from './dialect';
import { geminiDialect } from './gemini/gemini-dialect';
import { openaiDialect } from './openai/openai-dialect';

interface ProviderInfo {
  /** Default base URL; undefined if every account has its own. */
  readonly baseURL?: string;
  /** Whether calls need a key. False for a local server such as Ollama's. */
  readonly needsKey: boolean;
  readonly dialect: Dialect;
}

/** The providers that are known by name. */
export const PROVIDERS: Readonly<Record<string, ProviderInfo>> = {
  openai: compatible('https://api.openai.com/v1'),
  holysheep: compatible('https://api.holysheep.ai/v1'),
  anthropic: { baseURL: 'https://api.anthropic.com/v1', needsKey: true, dialect: anthropicDialect },
  azure: { needsKey: true, dialect: azureDialect },
  gemini: {
    baseURL: 'https://generativelanguage.googleapis.com/v1beta',
    needsKey: true,
    dialect: geminiDialect,
  },
  deepseek: compatible('https://api.deepseek.com/v1'),
  groq: compatible('https://api.groq.com/openai/v1'),
  mistral: compatible('https://api.mistral.ai/v1'),
  openrouter: compatible('https://openrouter.ai/api/v1'),
  together: compatible('https://api.together.xyz/v1'),
  xai: compatible('https://api.x.ai/v1'),
  ollama: { ...compatible('http://127.0.0.1:11434/v1'), needsKey: false },
};

function compatible(baseURL: string): ProviderInfo {
  return { baseURL, needsKey: true, dialect: openaiDialect };
}

/** The dialects of the known providers, by provider name. */
export const BUILT_IN_DIALECTS: ReadonlyMap<string, Dialect> = new Map(
  Object.entries(PROVIDERS).map(([provider, { dialect }]) => [provider, dialect]),
);

/** The base URL of a known provider; undefined for any other. */
export function defaultBaseURL(provider: string): string | undefined {
  return Object.hasOwn(PROVIDERS, provider) ? PROVIDERS[provider]?.baseURL : undefined;
}
