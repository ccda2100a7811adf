import { isDeepStrictEqual } from 'node:util';
import axios, { type AxiosInstance, type AxiosRequestConfig } from 'axios';
import type { CallSignal } from '../call/call-signal';
import type { HttpHeaders, HttpRequest } from '../provider/dialect';
import { BoundedMap } from '../util/bounded-map';
import {
  createAdapter,
  hasNodeHttpOption,
  headersOf,
  pathOf,
  proxyForAxios,
  sendOverPool,
} from './axios-adapter';
import type { ConnectionPool, ConnectionPools } from './connection/connection-pool';
import type { ProxySetting } from './connection/proxy';
import { oneChunk, ResponseBody } from './response-body';
import { SentHeaders } from './sent-headers';

/** An upstream's response; its body is unread. */
export interface TransportAnswer {
  readonly status: number;
  readonly headers: HttpHeaders;
  readonly body: ResponseBody;
}

/**
 * How many times `maxResponseBytes` a stream may have: it repeats some 300 bytes around the text of each token, and is
 * never held in memory as a whole.
 */
const STREAM_FACTOR = 8;

const UNCOMPRESSED = { 'accept-encoding': 'identity' };
/** axios's adapter setting, unless the app has changed it. */
const DEFAULT_ADAPTER = ['xhr', 'http', 'fetch'];

/** The part of the axios config that is the same for all requests. */
const REQUEST: AxiosRequestConfig<string> = {
  method: 'POST',
  responseType: 'stream',
  // The body is a string already, and the response is read here.
  transformRequest: [],
  transformResponse: [],
  validateStatus: null,
  // A redirect would send the key to another server.
  maxRedirects: 0,
  // ResponseBody enforces the limit.
  maxContentLength: -1,
  maxBodyLength: Infinity,
};

export interface TransportOptions {
  readonly baseURL: string;
  readonly connectMs: number;
  readonly maxResponseBytes: number;
  readonly proxy: ProxySetting;
  /** The app's own instance; its interceptors, adapter and agents are used. */
  readonly axios: AxiosInstance | undefined;
}

type Send = (request: HttpRequest, stream: boolean, signal: CallSignal) => Promise<AdapterAnswer>;

/** The part of an axios response that is used. */
interface AdapterAnswer {
  readonly status: number;
  readonly headers: unknown;
  /** A custom axios adapter may return a string or bytes instead of a stream. */
  readonly data: AsyncIterable<Uint8Array> | string | Uint8Array;
}

/** Sends requests to one endpoint, through axios. */
export class Transport {
  /** Whether the server accepts `stream_options.include_usage`, learnt from the first streams. */
  streamUsage: 'unknown' | 'accepted' | 'refused' = 'unknown';
  readonly #options: TransportOptions;
  readonly #releasePool: () => void;
  readonly #send: Send;

  constructor(options: TransportOptions, pools: ConnectionPools) {
    this.#options = options;
    const { baseURL, connectMs, proxy } = options;
    const user = pools.acquire(new URL(baseURL), { connectMs, proxy });
    this.#releasePool = () => user.release();
    const instance = options.axios ?? (isCustomized(axios.defaults) ? axios.create() : undefined);
    this.#send = instance ? throughInstance(instance, options, user.pool) : throughPool(options, user.pool);
  }

  /** Whether this transport was created with these options. */
  hasOptions({ axios: own, ...options }: TransportOptions): boolean {
    const { axios: ownBefore, ...before } = this.#options;
    return own === ownBefore && isDeepStrictEqual(options, before);
  }

  /**
   * Resolves when the headers have arrived. Rejects with axios's own error, which contains the key and the prompt: it
   * must be classified and dropped.
   */
  async send(request: HttpRequest, stream: boolean, signal: CallSignal): Promise<TransportAnswer> {
    const { status, headers, data } = await this.#send(request, stream, signal);
    const { maxResponseBytes } = this.#options;
    const chunks = typeof data === 'string' || data instanceof Uint8Array ? oneChunk(data) : data;
    return {
      status,
      headers: headers as HttpHeaders,
      body: new ResponseBody(chunks, stream ? STREAM_FACTOR * maxResponseBytes : maxResponseBytes),
    };
  }

  /** Closes idle connections that no other endpoint uses; those in use close with their calls. */
  close(): void {
    this.#releasePool();
  }
}

/** The most paths that are remembered per endpoint. A dialect may put the model into the path. */
const MAX_PATHS = 16;

/**
 * Sends requests over the pool directly. Nothing can change them without the app's interceptors, so what they have in
 * common is worked out once, here.
 */
function throughPool({ baseURL }: TransportOptions, pool: ConnectionPool): Send {
  const config = axios.mergeConfig(axios.defaults as AxiosRequestConfig<string>, REQUEST);
  const { common, post } = config.headers as Record<string, object>;
  const defaults = headersOf(lowerCased({ ...common, ...post }));
  const idleTimeoutMs = config.timeout ?? 0;
  const isDecompressed = config.decompress !== false;
  const paths = new BoundedMap<string, string>(MAX_PATHS);
  const wholeHeaders = new SentHeaders(defaults);
  const streamHeaders = new SentHeaders(defaults, UNCOMPRESSED);
  return ({ path, headers, body }, stream, signal) => {
    let wholePath = paths.get(path);
    if (wholePath === undefined) {
      wholePath = pathOf({ ...config, url: baseURL + path });
      paths.set(path, wholePath);
    }
    const sent = (stream ? streamHeaders : wholeHeaders).of(headers);
    const request = { method: 'POST', path: wholePath, headers: sent, body, idleTimeoutMs };
    return sendOverPool(pool, request, { signal, isDecompressed });
  };
}

/**
 * Sends requests through an axios instance of the app. Its interceptors may change everything, so axios merges the
 * config for each call.
 */
function throughInstance(instance: AxiosInstance, options: TransportOptions, pool: ConnectionPool): Send {
  const { baseURL, proxy } = options;
  const adapter = createAdapter({ pool, proxy });
  return (request, stream, signal) => {
    // An adapter of the app needs a real AbortSignal.
    const controller = new AbortController();
    if (signal.aborted) controller.abort();
    else signal.addEventListener('abort', () => controller.abort(), { once: true });
    const config: AxiosRequestConfig<string> = {
      ...REQUEST,
      url: baseURL + request.path,
      headers: { ...request.headers, ...(stream && UNCOMPRESSED) },
      data: request.body,
      signal: controller.signal,
    };
    // Checked for each call, because the app may replace the adapter at any time, as mocks do.
    if (hasOwnAdapter(instance.defaults)) config.proxy = proxyForAxios(proxy);
    else Object.assign(config, { adapter, proxy: false });
    return instance.request(config);
  };
}

function hasOwnAdapter({ adapter }: Pick<AxiosRequestConfig, 'adapter'>): boolean {
  return typeof adapter === 'function' || !isDeepStrictEqual(adapter, DEFAULT_ADAPTER);
}

/** Whether the app has set an adapter, an agent or a similar option in axios's global defaults. */
function isCustomized(defaults: typeof axios.defaults): boolean {
  return hasOwnAdapter(defaults) || hasNodeHttpOption(defaults);
}

function lowerCased(headers: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
