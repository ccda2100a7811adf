import { newId } from '../server/exchange';
import type { JsonObject } from '../server/request-body';
import { BadRequest, errorBody } from '../server/wire';
import type { ApiError, Format, RequestHead } from './format';
import { openaiFormat } from './openai';

/**
 * Azure OpenAI: OpenAI's format below the paths of a resource, where the name of the deployment is the model. Source:
 * https://learn.microsoft.com/azure/ai-foundry/openai/reference
 */
export const azureFormat: Format = {
  ...openaiFormat,
  headers: () => ({ 'apim-request-id': crypto.randomUUID(), 'x-request-id': newId('') }),
  chatBody: withModel,
  embeddings: { ...openaiFormat.embeddings, body: withModel },
  error: (error) => {
    const [code, message] = codeAndMessage(error);
    const { status, type, param } = error;
    // Azure's gateway, which refuses these calls, sends nothing but a code and a message.
    if (code !== error.code) return { status, body: { error: { code, message } } };
    return { status, body: errorBody(message, type, code, param ?? null) };
  },
};

/** The deployment in the path is the model. Such a path needs an `api-version`; the v1 API has neither. */
function withModel(body: JsonObject, { model, query }: RequestHead): JsonObject {
  if (model === undefined) return body;
  if (!query.get('api-version'))
    throw new BadRequest('Resource not found', { status: 404, code: 'unknown_url' });
  return { ...body, model };
}

function codeAndMessage({ reason, code, message, retryAfterS }: ApiError): [string | null, string] {
  switch (reason) {
    case 'unauthorized':
      return [
        '401',
        'Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.',
      ];
    case 'model_missing':
      return [
        'DeploymentNotFound',
        'The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again.',
      ];
    case 'rate_limited':
      return [
        'RateLimitReached',
        `Your requests to this deployment have exceeded the call rate limit of your current pricing tier. Please retry after ${retryAfterS ?? 1} seconds.`,
      ];
    default:
      return code === 'unknown_url' ? ['404', 'Resource not found'] : [code, message];
  }
}
