import type { Format } from './format';
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
];

/** The route of a request. At any other path, the error has the format of the API whose paths begin like it. */
export function routeOf(method: string, path: string): Route {
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
  return { format: openaiFormat, operation: undefined };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
