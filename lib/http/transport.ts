import type { Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import axios, { type AxiosInstance, type AxiosProxyConfig, type AxiosRequestConfig } from 'axios';
import type { HttpHeaders, HttpRequest } from '../provider/dialect';
import { type Agents, createAgents } from './agents';
import { oneChunk, ResponseBody } from './response-body';

/** An upstream's response; its body is unread. */
export interface TransportAnswer {
  readonly status: number;
  readonly headers: HttpHeaders;
  readonly body: ResponseBody;
}

/** A stream repeats some 300 bytes per token around its text, and is never held in memory as a whole. */
const STREAM_FACTOR = 8;

export interface TransportOptions {
  readonly baseURL: string;
  readonly connectMs: number;
  readonly maxResponseBytes: number;
  readonly proxy: AxiosProxyConfig | false;
  /** The app's own instance; its interceptors, adapter and agents are used. */
  readonly axios: AxiosInstance | undefined;
}

/** Sends requests to one endpoint, through axios. */
export class Transport {
  /** Whether the server takes `stream_options.include_usage`, as the first streams have shown. */
  streamUsage: 'unknown' | 'accepted' | 'refused' = 'unknown';
  readonly #options: TransportOptions;
  readonly #agents: Agents;
  readonly #axios: AxiosInstance;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#agents = createAgents(options.connectMs);
    this.#axios = options.axios ?? axios.create();
  }

  /** Whether it was created with these options. */
  hasOptions({ axios: own, ...options }: TransportOptions): boolean {
    const { axios: ownBefore, ...before } = this.#options;
    return own === ownBefore && isDeepStrictEqual(options, before);
  }

  /**
   * Resolves when the headers have arrived. Rejects with axios's own error, which contains the key and the prompt: it
   * must be classified and dropped.
   */
  async send(request: HttpRequest, stream: boolean, signal: AbortSignal): Promise<TransportAnswer> {
    const { maxResponseBytes, proxy, baseURL } = this.#options;
    const config: AxiosRequestConfig<string> = {
      method: 'POST',
      url: baseURL + request.path,
      headers: stream ? { ...request.headers, 'accept-encoding': 'identity' } : { ...request.headers },
      data: request.body,
      signal,
      responseType: 'stream',
      // The body is a string already, and the response is read here.
      transformRequest: [],
      transformResponse: [],
      validateStatus: null,
      // A redirect would carry the key away.
      maxRedirects: 0,
      // ResponseBody enforces the limit.
      maxContentLength: -1,
      maxBodyLength: Infinity,
      proxy,
      ...this.#agentsOf(),
    };
    const { status, headers, data } = await this.#axios.request<Readable | string | Uint8Array>(config);
    // A custom axios adapter may return a string or bytes instead of a stream.
    const chunks = typeof data === 'string' || data instanceof Uint8Array ? oneChunk(data) : data;
    return {
      status,
      headers: headers as HttpHeaders,
      body: new ResponseBody(chunks, stream ? STREAM_FACTOR * maxResponseBytes : maxResponseBytes),
    };
  }

  /** Closes idle sockets; those in use close with their calls. */
  close(): void {
    for (const agent of [this.#agents.httpAgent, this.#agents.httpsAgent]) {
      // Not agent.destroy(), which also closes the sockets of calls in flight.
      agent.maxFreeSockets = 0;
      for (const sockets of Object.values(agent.freeSockets)) {
        for (const socket of [...(sockets ?? [])]) socket.destroy();
      }
    }
  }

  #agentsOf(): Partial<Agents> {
    const own = this.#options.axios?.defaults;
    return own?.httpAgent || own?.httpsAgent ? {} : this.#agents;
  }
}
