import { defaultBaseURL } from '../../provider/dialects';
import { isNoKey, type Migration } from './migration';
import type { Section } from './section';
import type { Value, Variable } from './value';

/** This package's names of providers, by other tools' names without separators. */
const SAME: Readonly<Record<string, string>> = {
  openai: 'openai',
  azure: 'azure',
  azureopenai: 'azure',
  anthropic: 'anthropic',
  gemini: 'gemini',
  google: 'gemini',
  deepseek: 'deepseek',
  groq: 'groq',
  mistral: 'mistral',
  mistralai: 'mistral',
  openrouter: 'openrouter',
  together: 'together',
  togetherai: 'together',
  xai: 'xai',
  ollama: 'ollama',
  ollamachat: 'ollama',
  holysheep: 'holysheep',
};

/** Base URLs of providers that use OpenAI's format, which need nothing else. */
const COMPATIBLE: Readonly<Record<string, string>> = {
  cerebras: 'https://api.cerebras.ai/v1',
  deepinfra: 'https://api.deepinfra.com/v1/openai',
  fireworks: 'https://api.fireworks.ai/inference/v1',
  fireworksai: 'https://api.fireworks.ai/inference/v1',
  moonshot: 'https://api.moonshot.ai/v1',
  nvidianim: 'https://integrate.api.nvidia.com/v1',
  perplexity: 'https://api.perplexity.ai',
  perplexityai: 'https://api.perplexity.ai',
  sambanova: 'https://api.sambanova.ai/v1',
};

/** Servers with OpenAI's format that users host themselves. */
const SELF_HOSTED = new Set([
  'customopenai',
  'hostedvllm',
  'litellmproxy',
  'llamafile',
  'lmstudio',
  'openailike',
  'sgl',
  'vllm',
  'xinference',
]);

/** How an endpoint of another tool's provider is configured in this package. */
export interface ProviderHere {
  /** The option `provider`; undefined for the default, 'openai'. */
  readonly provider?: string;
  /** The option `baseURL`; undefined for the provider's own. */
  readonly baseURL?: string;
  /** Name of the environment variable for a key that the source contains itself. */
  readonly keyVariable: string;
  /** Whether the server may need no key, because users can host it themselves. */
  readonly mayNeedNoKey: boolean;
}

/** Returns how to configure a provider; undefined if there is no dialect for its format. */
export function providerHere(name: string, hasAddress: boolean): ProviderHere | undefined {
  const plain = name.toLowerCase().replace(/[^a-z0-9]/g, '');
  const keyVariable = `${variableName(name)}_API_KEY`;
  const same = Object.hasOwn(SAME, plain) ? SAME[plain] : undefined;
  if (same === 'openai') return { keyVariable, mayNeedNoKey: hasAddress };
  if (same !== undefined) return { provider: same, keyVariable, mayNeedNoKey: same === 'ollama' };
  const baseURL = Object.hasOwn(COMPATIBLE, plain) ? COMPATIBLE[plain] : undefined;
  if (baseURL !== undefined) return { baseURL, keyVariable, mayNeedNoKey: false };
  return SELF_HOSTED.has(plain) && hasAddress ? { keyVariable, mayNeedNoKey: true } : undefined;
}

/**
 * Reads the key of an endpoint; undefined if it has none. At a server that may need no key, a word such as `none` also
 * counts as no key.
 */
export function apiKeyOf(
  section: Section,
  { keyVariable, mayNeedNoKey }: ProviderHere,
  field = 'api_key',
): Variable | undefined {
  const key = section.text(field);
  if (key === undefined || key === '') return undefined;
  if (!mayNeedNoKey || !isNoKey(key)) return section.migration.secret(key, section.at(field), keyVariable);
  section.migration.changed(section.at(field), 'the word stands for no key, so none is sent');
  return undefined;
}

/** Converts a text to the style of environment variables. */
function variableName(text: string): string {
  return text.toUpperCase().replace(/[^A-Z0-9]+/g, '_');
}

export const NO_DIALECT =
  'its format is not spoken here: give it the address of an OpenAI-compatible API, or write a dialect (docs/adding-a-provider.md)';

/** Returns the base URL of an endpoint: that of the source, with the path that is expected here. */
export function baseUrlOf(
  section: Section,
  field: string,
  { provider, baseURL, keyVariable }: ProviderHere,
  addsVersion: (provider: string) => boolean,
): Value | undefined {
  const { migration } = section;
  const given = section.text(field);
  if (given === undefined || given === '') return baseURL;
  const path = section.at(field);
  const needsVersion = addsVersion(provider ?? 'openai');
  const version = new URL(defaultBaseURL(provider ?? 'openai') ?? 'http://x').pathname.replace(/^\/$/, '');
  const variable = migration.variableIn(given);
  if (variable !== undefined || !isPlainUrl(given)) {
    if (needsVersion)
      migration.checkFirst(path, `the variable must hold the base URL with '${version}' at its end`);
    return migration.secret(given, path, keyVariable.replace(/_API_KEY$/, '_BASE_URL'), 'required');
  }
  const url = given.replace(/\/+$/, '');
  return needsVersion && new URL(url).pathname === '/' ? url + version : url;
}

/** Whether a URL has no user, password, query and fragment, which may be secret. */
function isPlainUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { username, password, search, hash } = new URL(text);
  return username + password + search + hash === '';
}

const SECRET_HEADER = /auth|key|token|secret|cookie|password|credential/i;

/** Reads headers. Values that may be secret become environment variables. */
export function headersOf(section: Section, field: string, migration: Migration): Value | undefined {
  const headers = section.section(field);
  if (!headers) return undefined;
  return Object.fromEntries(
    headers.names.map((name): [string, Value] => {
      const text = headers.text(name) ?? '';
      const isSecret =
        SECRET_HEADER.test(name) ||
        /^(?:bearer |basic |sk-)|\S{20,}/i.test(text) ||
        migration.variableIn(text);
      const variable = `${variableName(name)}_HEADER`;
      return [name, isSecret ? migration.secret(text, headers.at(name), variable, 'required') : text];
    }),
  );
}
