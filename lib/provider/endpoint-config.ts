import type { Price } from '../models/profile';
import type { Optional } from '../util/optional';

/** Time limits in milliseconds, each with a timer of its own. */
export interface Timeouts {
  /** Time limit for a chat answer that is not streamed, from the start of the attempt. Default 60,000. */
  readonly totalMs: number;
  /** Time limit for an embeddings answer, from the start of the attempt. Default 30,000. */
  readonly embeddingsMs: number;
  /** Time limit for establishing the connection, TLS included. Default 5,000. */
  readonly connectMs: number;
  /** Time limit for the first content of a stream. Default 30,000. */
  readonly firstTokenMs: number;
  /** Time limit between two events of a stream. Default 15,000. */
  readonly stallMs: number;
  /**
   * How long a stream's reader may accept no data, or not begin to read, before the stream is ended and its attempt
   * slot freed. Default 60,000.
   */
  readonly readerStallMs: number;
}

/** An endpoint that calls can be sent to: provider, base URL, key and model, with limits, price and weight. */
export interface EndpointConfig {
  /** Unique; shown in reports, stats and errors. */
  name: string;
  /** The model's name at the provider. */
  model: string;
  /**
   * Selects the dialect. Failover prefers endpoints of a provider that has not failed the call yet. Default 'openai'.
   */
  provider?: string | undefined;
  /** http or https. Default: the provider's own. */
  baseURL?: string | undefined;
  /** Azure only: name of the deployment. Default: `model`. */
  deployment?: string | undefined;
  /**
   * Azure only: `api-version`. With a dated one, such as '2024-10-21', the name of the deployment is in the path. Default:
   * the v1 API, which needs none.
   */
  apiVersion?: string | undefined;
  /** The key, or a function that is called before each attempt, so that keys can rotate. */
  apiKey?: string | (() => string | Promise<string>) | undefined;
  /** Other names under which a call may ask for this model. */
  aliases?: string[] | undefined;
  /** Relative preference among otherwise equal endpoints; 0 takes the endpoint out of rotation. Default 1. */
  weight?: number | undefined;
  /** Endpoints of a tier are used only when no endpoint of a lower tier can start the call within 250 ms. Default 0. */
  tier?: number | undefined;
  /** Requests per minute. Default: no limit. */
  rpm?: number | undefined;
  /** Tokens per minute, as one limit or separately for input and output. Default: no limit. */
  tpm?:
    | number
    | {
        /** Prompt tokens per minute. */
        input: number;
        /** Output tokens per minute. */
        output: number;
      }
    | undefined;
  /** Requests per day (any 24 hours). Default: no limit. */
  rpd?: number | undefined;
  /** Tokens per day (any 24 hours). Default: no limit. */
  tpd?: number | undefined;
  /**
   * Maximum spending at this endpoint in US dollars per hour. Default: no limit; the option `budgets` says how hours,
   * days and months are counted.
   */
  usdPerHour?: number | undefined;
  /** Maximum spending at this endpoint in US dollars per day. Default: no limit. */
  usdPerDay?: number | undefined;
  /** Maximum spending at this endpoint in US dollars per month. Default: no limit. */
  usdPerMonth?: number | undefined;
  /** Maximum number of calls in flight. Default: no limit. */
  maxConcurrent?: number | undefined;
  /**
   * Bucket depth, as the number of seconds' worth of the limit. Raised to the largest `remaining` that a rate-limit
   * header has reported. Default 10.
   */
  burstSeconds?: number | undefined;
  /**
   * Name of a quota group: the endpoints of a group share one quota and its cooldowns. Default: the endpoint shares
   * neither.
   */
  quotaGroup?: string | undefined;
  /**
   * What the provider takes from the token quota at admission: 'reserved' is prompt + max_tokens and is not given
   * back, 'actual' is what was used, 'auto' learns it from the headers. Default 'auto'.
   */
  tokensCharged?: 'auto' | 'reserved' | 'actual' | undefined;
  /** USD per million tokens. Default: the catalogue's. */
  price?: Price | undefined;
  /** Context window in tokens. Default: the catalogue's. */
  contextWindow?: number | undefined;
  /** Largest output in tokens. Default: the catalogue's. */
  maxOutputTokens?: number | undefined;
  /**
   * What the endpoint can do. Default: the catalogue's, and `responses` at OpenAI's and Azure's own servers. With
   * `responses`, Responses calls are sent as they are; without it, they are translated to chat completions.
   */
  capabilities?: string[] | undefined;
  /** Quality of the model, from 0 to 1. Default: the catalogue's. */
  quality?: number | undefined;
  /** Request types that the model is good at. Default: the catalogue's. */
  strengths?: string[] | undefined;
  /** Labels that calls can require with their option `tags`. Default: none. */
  tags?: string[] | undefined;
  /**
   * Whether streams request `stream_options.include_usage`. If a server answers that with 400 or 422, the request is
   * sent once more without it, and later streams leave it out. Default true.
   */
  streamUsage?: boolean | undefined;
  /**
   * Whether the endpoint continues a last assistant message instead of answering it: llama-server, vLLM, and the
   * `prefix` of Mistral and DeepSeek. Only such endpoints serve `stream.recovery: 'continue'`. Default false.
   */
  prefill?: boolean | undefined;
  /** HTTP headers sent with every attempt. */
  headers?: Record<string, string> | undefined;
  /** Overrides the timeouts of the configuration for this endpoint. */
  timeouts?: Optional<Timeouts> | undefined;
}
