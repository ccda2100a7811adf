import type { DialectCall, DialectEndpoint } from '../dialect';

/**
 * The headers of a request. Names are in lower case, so that a header configured for the endpoint replaces that of the
 * dialect.
 *
 * @param own returns the dialect's own headers for a key; headers whose value is '' are left out. The key is trimmed,
 *   because a key that was read from a file often ends with a line break, and is '' if the endpoint has none
 */
export function requestHeaders(
  call: Pick<DialectCall, 'stream'>,
  endpoint: DialectEndpoint,
  own: (key: string) => Readonly<Record<string, string>>,
): Record<string, string> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: call.stream ? 'text/event-stream' : 'application/json',
  };
  const ofDialect = own(endpoint.apiKey?.trim() ?? '');
  for (const name of Object.keys(ofDialect)) {
    const value = ofDialect[name];
    if (value !== undefined && value !== '') headers[name] = value;
  }
  for (const name of Object.keys(endpoint.headers))
    headers[name.toLowerCase()] = endpoint.headers[name] as string;
  return headers;
}
