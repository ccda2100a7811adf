import type { Price } from '../models/profile';

/** Time limits in milliseconds, each with a timer of its own. */
export interface Timeouts {
  /** For a chat answer that is not streamed, from the start of the attempt. Default 60,000. */
  readonly totalMs: number;
  /** For an embeddings answer, from the start of the attempt. Default 30,000. */
  readonly embeddingsMs: number;
  /** Until the connection is established, TLS included. Default 5,000. */
  readonly connectMs: number;
  /** Until the first content of a stream. Default 30,000. */
  readonly firstTokenMs: number;
  /** Between two events of a stream. Default 15,000. */
  readonly stallMs: number;
  /**
   * A client that accepts no data for this long ends its stream and frees the slot. Also applies to a stream that nobody
   * starts to read. Default 60,000.
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
  provider?: string;
  /** http or https. Default: the provider's own. */
  baseURL?: string;
  /** Azure only: name of the deployment. Default: `model`. */
  deployment?: string;
  /**
   * Azure only: `api-version`. With a dated one, such as '2024-10-21', the name of the deployment is in the path. Default:
   * the v1 API, which needs none.
   */
  apiVersion?: string;
  /** The key, or a function that is called before each attempt, so that keys can rotate. */
  apiKey?: string | (() => string | Promise<string>);
  /** Other names under which a call may ask for this model. */
  aliases?: string[];
  /** Relative preference among otherwise equal endpoints; 0 takes the endpoint out of rotation. Default 1. */
  weight?: number;
  /** A later tier is used only when no earlier endpoint can start within 250 ms. Default 0. */
  tier?: number;
  /** Requests per minute. Default: no limit. */
  rpm?: number;
  /** Tokens per minute, as one limit or separately for input and output. Default: no limit. */
  tpm?:
    | number
    | {
        /** Prompt tokens per minute. */
        input: number;
        /** Output tokens per minute. */
        output: number;
      };
  /** Requests per day (any 24 hours). Default: no limit. */
  rpd?: number;
  /** Tokens per day (any 24 hours). Default: no limit. */
  tpd?: number;
  /** US dollars per hour. Default: no limit; the option `budgets` says how hours, days and months are counted. */
  usdPerHour?: number;
  /** US dollars per day. Default: no limit. */
  usdPerDay?: number;
  /** US dollars per month. Default: no limit. */
  usdPerMonth?: number;
  /** Maximum number of calls in flight. Default: no limit. */
  maxConcurrent?: number;
  /**
   * Bucket depth, as the number of seconds' worth of the limit. Raised to the largest `remaining` that a rate-limit
   * header has reported. Default 10.
   */
  burstSeconds?: number;
  /** Name of a quota group: its endpoints share one quota and its cooldowns. Default: a group of its own. */
  quotaGroup?: string;
  /**
   * What the provider takes from the token quota at admission: 'reserved' is prompt + max_tokens and is not given
   * back, 'actual' is what was used, 'auto' learns it from the headers. Default 'auto'.
   */
  tokensCharged?: 'auto' | 'reserved' | 'actual';
  /** USD per million tokens. Default: the catalogue's. */
  price?: Price;
  /** Context window in tokens. Default: the catalogue's. */
  contextWindow?: number;
  /** Largest output in tokens. Default: the catalogue's. */
  maxOutputTokens?: number;
  /**
   * What the endpoint can do. Default: the catalogue's, and `responses` at OpenAI's and Azure's own servers. With
   * `responses`, Responses calls are sent as they are; without it, they are translated to chat completions.
   */
  capabilities?: string[];
  /** Quality of the model, from 0 to 1. Default: the catalogue's. */
  quality?: number;
  /** Request types that the model is good at. Default: the catalogue's. */
  strengths?: string[];
  /** Labels that calls can require with their option `tags`. Default: none. */
  tags?: string[];
  /**
   * Whether streams request `stream_options.include_usage`. If a server answers that with 400 or 422, the request is
   * sent once more without it, and later streams leave it out. Default true.
   */
  streamUsage?: boolean;
  /**
   * Whether the endpoint continues a last assistant message instead of answering it: llama-server, vLLM, and the
   * `prefix` of Mistral and DeepSeek. Only such endpoints serve `stream.recovery: 'continue'`. Default false.
   */
  prefill?: boolean;
  /** HTTP headers sent with every attempt. */
  headers?: Record<string, string>;
  /** Overrides the timeouts of the configuration for this endpoint. */
  timeouts?: Partial<Timeouts>;
}
