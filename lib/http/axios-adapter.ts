import { Readable } from 'node:stream';
import axios, {
  type AxiosAdapter,
  AxiosError,
  type AxiosProxyConfig,
  type AxiosRequestConfig,
  type InternalAxiosRequestConfig,
  type RawAxiosResponseHeaders,
} from 'axios';
import type { CallSignal } from '../call/call-signal';
import type { HttpHeaders } from '../provider/dialect';
import type { ConnectionPool } from './connection/connection-pool';
import type { ProxySetting } from './connection/proxy';
import { type WireRequest, WireResponse } from './connection/wire-response';
import { ACCEPT_ENCODING, decompressed } from './decompress';

/** Options of axios that only its own adapter for node:http knows. */
const NODE_HTTP_OPTIONS = [
  'httpAgent',
  'httpsAgent',
  'transport',
  'socketPath',
  'lookup',
  'family',
  'localAddress',
  'insecureHTTPParser',
  'httpVersion',
  'maxRate',
  'auth',
  'cancelToken',
  'onUploadProgress',
  'onDownloadProgress',
  'beforeRedirect',
] as const;

/** Headers that are added if the config has none of that name, as axios's adapter for node:http does. */
const ADDED_HEADERS = { 'user-agent': `axios/${axios.VERSION}`, 'accept-encoding': ACCEPT_ENCODING };
/** Headers that the body or the connection determines, so that they are not copied from the config. */
export const OWN_HEADERS: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'keep-alive',
  'proxy-connection',
  'upgrade',
]);

export interface AdapterOptions {
  readonly pool: ConnectionPool;
  /**
   * The proxy for requests that axios's own adapter sends. For all other requests, the pool applies the setting itself.
   */
  readonly proxy: ProxySetting;
}

/**
 * The axios adapter of endpoints: requests go over connections of undici and node:http2. A config with options that
 * only axios's adapter for node:http knows, such as an agent, is sent by that adapter.
 */
export function createAdapter({ pool, proxy }: AdapterOptions): AxiosAdapter {
  return async (config) => {
    if (needsNodeHttp(config)) {
      return axios.getAdapter('http', config)({ ...config, proxy: config.proxy || proxyForAxios(proxy) });
    }
    const request = {
      method: config.method?.toUpperCase() ?? 'GET',
      path: pathOf(config),
      headers: headersOf(config.headers),
      body: config.data as string | Uint8Array,
      idleTimeoutMs: config.timeout ?? 0,
    };
    const isDecompressed = config.decompress !== false;
    const signal = config.signal as CallSignal | undefined;
    const { status, statusText, headers, data } = await sendOverPool(pool, request, {
      signal,
      isDecompressed,
      config,
    });
    return {
      status,
      statusText,
      headers: headers as RawAxiosResponseHeaders,
      // As with axios's own adapters, because interceptors may see it.
      data: toReadable(data),
      config,
      request: undefined,
    };
  };
}

export interface PoolSendOptions {
  readonly signal: CallSignal | undefined;
  /** Whether a compressed body is decompressed. */
  readonly isDecompressed: boolean;
  /** The axios config that errors hold. */
  readonly config?: InternalAxiosRequestConfig;
}

/** Sends a request over a connection of the pool. Resolves when the headers have arrived; rejects as axios does. */
export async function sendOverPool(
  pool: ConnectionPool,
  request: WireRequest,
  { signal, isDecompressed, config }: PoolSendOptions,
) {
  const response = new WireResponse(signal);
  pool.send(request, response);
  try {
    await response.opened;
  } catch (error) {
    if (signal?.aborted) throw new axios.CanceledError(undefined, config as never);
    throw toAxiosError(error as Error, config, response);
  }
  const { status, statusText, headers } = response;
  const data = isDecompressed ? decompressed(response, headers) : response;
  return {
    status,
    statusText,
    headers: data === response ? headers : without(headers, 'content-encoding'),
    data,
  };
}

function needsNodeHttp(config: InternalAxiosRequestConfig): boolean {
  const { responseType, proxy, maxRedirects } = config;
  const data: unknown = config.data;
  const isPlain = typeof data === 'string' || data instanceof Uint8Array;
  if (!isPlain || responseType !== 'stream' || maxRedirects !== 0 || proxy) return true;
  return hasNodeHttpOption(config);
}

/** Whether a config has an option that only axios's adapter for node:http knows. */
export function hasNodeHttpOption(config: object): boolean {
  return NODE_HTTP_OPTIONS.some((name) => Boolean((config as Readonly<Record<string, unknown>>)[name]));
}

/** The setting in axios's form: undefined makes axios read the environment. */
export function proxyForAxios(proxy: ProxySetting): AxiosProxyConfig | false | undefined {
  return proxy === 'env' ? undefined : proxy;
}

/** The path and query of a request. */
export function pathOf(config: AxiosRequestConfig): string {
  const { url = '' } = config;
  const whole = config.params !== undefined || !/^https?:/i.test(url) ? axios.getUri(config) : url;
  const { pathname, search } = new URL(whole);
  return pathname + search;
}

type HeaderValues = Readonly<Record<string, string | number | boolean | string[] | null | undefined>>;

/**
 * The headers to send, from an AxiosHeaders or a plain object. A header that is false is not sent, not even with its
 * default value.
 */
export function headersOf(headers: object): Record<string, string> {
  const sent: Record<string, string> = { ...ADDED_HEADERS };
  for (const [name, value] of Object.entries(headers as HeaderValues)) {
    const key = name.toLowerCase();
    if (value === undefined || value === null || OWN_HEADERS.has(key)) continue;
    if (value === false) Reflect.deleteProperty(sent, key);
    else sent[key] = Array.isArray(value) ? value.join(', ') : String(value);
  }
  return sent;
}

function without(headers: HttpHeaders, name: string): HttpHeaders {
  const { [name]: _removed, ...rest } = headers;
  return rest;
}

/**
 * The error with which axios's own adapters would reject. It holds the config with the key and the prompt, so it must
 * be classified and dropped.
 */
function toAxiosError(
  error: Error,
  config: InternalAxiosRequestConfig | undefined,
  response: WireResponse,
): Error {
  // The same mark as node:http sets on a request over a reused connection, so that classifyError() recognizes it.
  return AxiosError.from(error, undefined, config, { reusedSocket: response.hasFailedOnReused });
}

function toReadable(body: AsyncIterable<Uint8Array>): Readable {
  if (body instanceof Readable) return body;
  const chunks = body[Symbol.asyncIterator]();
  return new Readable({
    read() {
      chunks.next().then(
        (next) => this.push(next.done ? null : next.value),
        (error: unknown) => this.destroy(error as Error),
      );
    },
    destroy(error, callback) {
      // Closes the connection at once, even while a read is pending.
      if (body instanceof WireResponse) body.destroy();
      else void chunks.return?.();
      callback(error);
    },
  });
}
