import { Readable } from 'node:stream';
import axios, {
  type AxiosAdapter,
  AxiosError,
  type AxiosProxyConfig,
  type InternalAxiosRequestConfig,
  type RawAxiosResponseHeaders,
} from 'axios';
import type { CallSignal } from '../call/call-signal';
import type { HttpHeaders } from '../provider/dialect';
import type { ConnectionPool } from './connection/connection-pool';
import type { ProxySetting } from './connection/proxy';
import { WireResponse } from './connection/wire-response';
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

/** As axios's adapter for node:http adds them where the config has no others. */
const ADDED_HEADERS = { 'user-agent': `axios/${axios.VERSION}`, 'accept-encoding': ACCEPT_ENCODING };
/** Headers that follow from the body. */
const BODY_HEADERS = new Set(['content-length', 'transfer-encoding']);

export interface AdapterOptions {
  readonly pool: ConnectionPool;
  /** For axios's own adapter; the pool has its proxy already. */
  readonly proxy: ProxySetting;
  /** Whether interceptors may see the response: then its body is a Readable, as with axios's own adapters. */
  readonly asReadable: boolean;
}

/**
 * The axios adapter of endpoints: requests go over connections of undici and node:http2. A config with options that
 * only axios's adapter for node:http knows, such as an agent, is sent by that one.
 */
export function createAdapter({ pool, proxy, asReadable }: AdapterOptions): AxiosAdapter {
  return async (config) => {
    if (needsNodeHttp(config)) {
      return axios.getAdapter('http', config)({ ...config, proxy: config.proxy || proxyForAxios(proxy) });
    }
    const response = new WireResponse(config.signal as CallSignal | undefined);
    pool.send(
      {
        method: config.method?.toUpperCase() ?? 'GET',
        path: pathOf(config),
        headers: headersOf(config),
        body: config.data as string | Uint8Array,
        idleTimeoutMs: config.timeout ?? 0,
      },
      response,
    );
    try {
      await response.opened;
    } catch (error) {
      throw toAxiosError(error as Error, config, response);
    }
    const { status, statusText, headers } = response;
    const body = config.decompress === false ? response : decompressed(response, headers);
    return {
      status,
      statusText,
      headers: (body === response
        ? headers
        : without(headers, 'content-encoding')) as RawAxiosResponseHeaders,
      data: asReadable ? toReadable(body) : body,
      config,
      request: undefined,
    };
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

/** The setting as axios takes it: undefined makes it read the environment. */
export function proxyForAxios(proxy: ProxySetting): AxiosProxyConfig | false | undefined {
  return proxy === 'env' ? undefined : proxy;
}

function pathOf(config: InternalAxiosRequestConfig): string {
  const { url = '' } = config;
  const whole = config.params !== undefined || !/^https?:/i.test(url) ? axios.getUri(config) : url;
  const { pathname, search } = new URL(whole);
  return pathname + search;
}

/** Of an AxiosHeaders or a plain object. False means that a header is not sent, not even by default. */
function headersOf({ headers }: InternalAxiosRequestConfig): Record<string, string> {
  const sent: Record<string, string> = { ...ADDED_HEADERS };
  for (const [name, value] of Object.entries(headers)) {
    const key = name.toLowerCase();
    if (value === undefined || value === null || BODY_HEADERS.has(key)) continue;
    if (value === false) Reflect.deleteProperty(sent, key);
    else sent[key] = Array.isArray(value) ? value.join(', ') : String(value as string | number);
  }
  return sent;
}

function without(headers: HttpHeaders, name: string): HttpHeaders {
  const { [name]: _removed, ...rest } = headers;
  return rest;
}

/** As axios's own adapters reject: with the config, which holds key and prompt, so the error is classified and dropped. */
function toAxiosError(error: Error, config: InternalAxiosRequestConfig, response: WireResponse): Error {
  if (config.signal?.aborted) return new axios.CanceledError(undefined, config as never);
  // As node:http marks a request on a connection that had served another one.
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
