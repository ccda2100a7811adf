import type { Dialect, DialectCall, DialectEndpoint, HttpRequest, ResponseDialectCall } from '../dialect';
import { openaiDialect } from '../openai/openai-dialect';
import { OPENAI, portableBody } from '../openai/portable-body';
import { requestHeaders } from '../translation/http-request';

/**
 * The dialect of Azure OpenAI: OpenAI's format at Azure's paths, with the key in `api-key`. The base URL is that of the
 * resource, with or without `/openai/v1`.
 */
export const azureDialect: Dialect = { ...openaiDialect, name: 'azure', request, responses };

/** A Microsoft Entra token is a JSON Web Token; a key of the resource is not. */
const ENTRA_TOKEN = /^eyJ[\w-]+\.[\w-]+\./;
/** A dated version, such as '2024-10-21' or '2025-03-01-preview', whose paths contain the name of the deployment. */
const DATED = /^\d{4}-\d{2}-\d{2}/;

function request(call: DialectCall, endpoint: DialectEndpoint): HttpRequest {
  const deployment = endpoint.deployment ?? endpoint.model;
  const portable = call.operation === 'chat' ? { ...call, body: portableBody(call.body, OPENAI) } : call;
  const { path, body } = openaiDialect.request(portable, { ...endpoint, model: deployment });
  return { path: azurePath(path, deployment, endpoint), headers: headersFor(call, endpoint), body };
}

/** Even with a dated version, the path of the Responses API doesn't contain the deployment. */
function responses(call: ResponseDialectCall, endpoint: DialectEndpoint): HttpRequest {
  const model = endpoint.deployment ?? endpoint.model;
  return {
    path: azurePath('/responses', undefined, endpoint),
    headers: headersFor(call, endpoint),
    body: JSON.stringify({ ...call.body, model }),
  };
}

function headersFor(call: Pick<DialectCall, 'stream'>, endpoint: DialectEndpoint): Record<string, string> {
  return requestHeaders(
    call,
    endpoint,
    (key): Record<string, string> =>
      ENTRA_TOKEN.test(key) ? { authorization: `Bearer ${key}` } : { 'api-key': key },
  );
}

/**
 * The path below the base URL. A dated version has the deployment in the path; the v1 API needs no version. Source:
 * https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
 */
function azurePath(
  path: string,
  deployment: string | undefined,
  { baseURL, apiVersion }: DialectEndpoint,
): string {
  const query = apiVersion === undefined ? '' : `?api-version=${encodeURIComponent(apiVersion)}`;
  if (/\/openai\/(?:v1|deployments\/[^/]+)$/.test(baseURL)) return path + query;
  const root = baseURL.endsWith('/openai') ? '' : '/openai';
  if (apiVersion === undefined || !DATED.test(apiVersion)) return `${root}/v1${path}${query}`;
  const below = deployment === undefined ? '' : `/deployments/${encodeURIComponent(deployment)}`;
  return root + below + path + query;
}
