import { anthropicFormat } from './anthropic';
import { azureFormat } from './azure';
import type { Format } from './format';
import { geminiFormat } from './gemini';
import { openaiFormat } from './openai';

/** What a request asks for. */
export interface Route {
  readonly format: Format;
  /** Undefined if nothing is served at the path. */
  readonly operation: 'chat' | 'embeddings' | 'models' | undefined;
  /** The model in the path. */
  readonly model?: string;
  /** The method of Gemini's path. */
  readonly method?: string;
}

type Row = readonly [method: string, path: RegExp, operation: Route['operation'], format: Format];

const ROUTES: readonly Row[] = [
  ['POST', /^\/v1\/chat\/completions$/, 'chat', openaiFormat],
  ['POST', /^\/v1\/embeddings$/, 'embeddings', openaiFormat],
  ['GET', /^\/v1\/models(?:\/(?<model>.*))?$/, 'models', openaiFormat],
  ['POST', /^\/v1\/messages$/, 'chat', anthropicFormat],
  ['POST', /^\/openai\/v1\/chat\/completions$/, 'chat', azureFormat],
  ['POST', /^\/openai\/v1\/embeddings$/, 'embeddings', azureFormat],
  ['GET', /^\/openai\/v1\/models(?:\/(?<model>.*))?$/, 'models', azureFormat],
  ['POST', /^\/openai\/deployments\/(?<model>[^/]+)\/chat\/completions$/, 'chat', azureFormat], // terms-ok: Azure's path
  ['POST', /^\/openai\/deployments\/(?<model>[^/]+)\/embeddings$/, 'embeddings', azureFormat], // terms-ok: Azure's path
  [
    'POST',
    /^\/v1(?:beta|alpha)?\/(?:models\/)?(?<model>[^:]+):(?<method>generateContent|streamGenerateContent)$/,
    'chat',
    geminiFormat,
  ],
  [
    'POST',
    /^\/v1(?:beta|alpha)?\/(?:models\/)?(?<model>[^:]+):(?<method>embedContent|batchEmbedContents)$/,
    'embeddings',
    geminiFormat,
  ],
];

/** The format of the error at paths where nothing is served. */
const OTHER_PATHS: readonly (readonly [RegExp, Format])[] = [
  [/^\/v1\/messages/, anthropicFormat],
  [/^\/openai\//, azureFormat],
  [/^\/v1(?:beta|alpha)\/|^\/v1\/(?:tunedM|m)odels\/[^:]+:/, geminiFormat],
];

/** The clients of most APIs append a path that begins like this to their base URL. */
const BELOW_URL = /^\/v1(?=\/(?:v1|v1beta|v1alpha|openai)\/)/;

/**
 * The route of a request. The `/v1` of a provider's `url` may stand before the path, so that `url` is a base URL for
 * every client.
 */
export function routeOf(method: string, requestedPath: string): Route {
  const path = requestedPath.replace(BELOW_URL, '');
  for (const [wanted, pattern, operation, format] of ROUTES) {
    const groups = wanted === method ? pattern.exec(path) : null;
    if (!groups) continue;
    const { model, method: name } = groups.groups ?? {};
    return {
      format,
      operation,
      ...(model !== undefined && { model: decoded(model) }),
      ...(name !== undefined && { method: name }),
    };
  }
  const [, format = openaiFormat] = OTHER_PATHS.find(([pattern]) => pattern.test(path)) ?? [];
  return { format, operation: undefined };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
