import { azureDialect } from '../../lib/provider/azure/azure-dialect';
import type { DialectEndpoint } from '../../lib/provider/dialect';
import { ask, endpointOf } from './fixtures/conversation';

const RESOURCE = 'https://my-resource.openai.azure.com';

function request(more: Partial<DialectEndpoint>, call = ask()) {
  const { path, headers, body } = azureDialect.request(
    call,
    endpointOf('azure', 'gpt-4o', { baseURL: RESOURCE, apiKey: '0123456789abcdef', ...more }),
  );
  return { path, headers, body: JSON.parse(body) as Record<string, unknown> };
}

describe('A request of the Azure dialect', () => {
  it.each<[string, Partial<DialectEndpoint>, string]>([
    ['the v1 API', {}, '/openai/v1/chat/completions'],
    ['the v1 API in the base URL', { baseURL: `${RESOURCE}/openai/v1` }, '/chat/completions'],
    ['a preview of the v1 API', { apiVersion: 'preview' }, '/openai/v1/chat/completions?api-version=preview'],
    [
      'a dated API',
      { apiVersion: '2024-10-21', deployment: 'my 4o' },
      '/openai/deployments/my%204o/chat/completions?api-version=2024-10-21',
    ],
    [
      'a dated API below /openai',
      { baseURL: `${RESOURCE}/openai`, apiVersion: '2025-03-01-preview' },
      '/deployments/gpt-4o/chat/completions?api-version=2025-03-01-preview',
    ],
    [
      'a deployment in the base URL',
      { baseURL: `${RESOURCE}/openai/deployments/d`, apiVersion: '2024-10-21' },
      '/chat/completions?api-version=2024-10-21',
    ],
  ])('has the right path for %s', (_form, more, path) => {
    expect(request(more).path).toBe(path);
  });

  it('sends the name of the deployment as the model, and has a path for embeddings', () => {
    expect(request({ deployment: 'mine' }).body.model).toBe('mine');
    expect(request({}).body.model).toBe('gpt-4o');
    const call = { operation: 'embeddings', stream: false, body: { model: 'm', input: 'a' } } as const;
    expect(azureDialect.request(call, endpointOf('azure', 'e', { baseURL: RESOURCE })).path).toBe(
      '/openai/v1/embeddings',
    );
  });

  it('sends a key in api-key and a Microsoft Entra token as a bearer token', () => {
    expect(request({}).headers).toMatchObject({ 'api-key': '0123456789abcdef' });
    expect(request({}).headers).not.toHaveProperty('authorization');
    const token = 'eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln';
    expect(request({ apiKey: token }).headers).toMatchObject({ authorization: `Bearer ${token}` });
    expect(request({ headers: { 'Api-Key': 'own' } }).headers['api-key']).toBe('own');
  });

  it("requests the usage of a stream, as OpenAI's dialect does", () => {
    expect(request({}, ask({}, true)).body).toMatchObject({
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  it.each<[string, Partial<DialectEndpoint>, string, string]>([
    ['the v1 API', {}, '/openai/v1/responses', 'gpt-4o'],
    [
      'a dated API, which has no deployment in this path',
      { apiVersion: '2025-03-01-preview', deployment: 'mine' },
      '/openai/responses?api-version=2025-03-01-preview',
      'mine',
    ],
    [
      'a preview of the v1 API',
      { apiVersion: 'preview' },
      '/openai/v1/responses?api-version=preview',
      'gpt-4o',
    ],
  ])('has the path and the model of a Responses call for %s', (_form, more, path, model) => {
    const endpoint = endpointOf('azure', 'gpt-4o', { baseURL: RESOURCE, ...more });
    const call = { stream: false, body: { model: 'auto', input: 'Hi' } };
    const sent = azureDialect.responses?.(call, endpoint);
    expect(sent?.path).toBe(path);
    expect(JSON.parse(sent?.body ?? '')).toEqual({ model, input: 'Hi' });
  });

  it("leaves out other providers' fields in the conversation, which Azure refuses", () => {
    const messages = [{ role: 'assistant', content: 'Hi', reasoning_content: 'Hm.', thinking_blocks: [{}] }];
    expect(request({}, ask({ messages })).body.messages).toEqual([{ role: 'assistant', content: 'Hi' }]);
  });
});
