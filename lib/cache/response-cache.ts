import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { EmbeddingBody } from '../call/body';
import type { Call } from '../call/call';
import type { RouteReport } from '../route-report';
import { callApp } from '../util/app-function';
import { isObject } from '../util/is-object';
import { cacheKey, inputKey, isCacheable } from './cache-key';
import type { CacheStore, ResolvedCacheOptions } from './options';

/** How long the store may take before the operation counts as failed, in milliseconds. */
const STORE_TIMEOUT_MS = 250;
/** Longest value that is stored, in characters: writing a longer one would hold up other calls. */
const MAX_VALUE_CHARS = 4 * 1024 * 1024;

type Served = Pick<RouteReport, 'endpoint' | 'provider' | 'model'>;

/** An answer of an endpoint, as it is stored. */
interface StoredAnswer<T> {
  readonly data: T;
  readonly route: Served;
  /** Unix time in milliseconds. */
  readonly storedAt: number;
}

export interface CachedAnswer<T> extends StoredAnswer<T> {
  /** Whether the answer is younger than `ttlMs`. An older one is served only if no endpoint can answer. */
  readonly isFresh: boolean;
}

/** One vector, and the model that made it. */
export interface StoredVector {
  readonly embedding: EmbeddingResponse['data'][number]['embedding'];
  readonly model: string;
}

export interface CacheHit {
  readonly data: ChatCompletion | EmbeddingResponse;
  readonly route: Pick<RouteReport, 'endpoint' | 'provider' | 'model'>;
}

/** What the cache has for a call, and what to do with the answer that an endpoint gives. */
export interface CacheLookup {
  /** A fresh answer, with which nothing needs to be sent. */
  readonly hit: CacheHit | undefined;
  /** An answer that may have expired, for a call that no endpoint can answer. */
  readonly stale: CacheHit | undefined;
  /** The request for the missing part, if the cache has a part of the answer; otherwise undefined. */
  readonly rest: EmbeddingBody | undefined;
  /** Adds the part that the cache has to the answer of an endpoint. */
  complete(answer: CacheHit['data']): CacheHit['data'];
  /** Stores the answer of an endpoint, before `complete` has added to it. */
  store(answer: CacheHit['data'], route: CacheHit['route']): void;
}

/**
 * Stores complete answers of endpoints and finds them again. If the store fails, a call is delayed by at most the
 * store's time limit.
 */
export class ResponseCache {
  readonly #store: CacheStore;
  readonly #options: ResolvedCacheOptions;
  readonly #onFailure: (error: unknown) => void;

  constructor(store: CacheStore, options: ResolvedCacheOptions, onFailure: (error: unknown) => void) {
    this.#store = store;
    this.#options = options;
    this.#onFailure = onFailure;
  }

  /**
   * Whether the answer to a call may be stored and served to equal calls.
   *
   * @param option the call's own `cache` option
   */
  serves(call: Call, option: boolean | undefined): boolean {
    return isCacheable(call, this.#options.calls, option);
  }

  /** Finds the stored answer to an equal call of the same tenant. */
  async find(call: Call): Promise<CachedAnswer<ChatCompletion> | undefined> {
    return this.#read<ChatCompletion>(cacheKey(call));
  }

  /** Stores an answer, unless it is a refusal or incomplete. */
  store(call: Call, data: ChatCompletion, route: Served): void {
    if (isWorthKeeping(data)) this.#write(cacheKey(call), data, route);
  }

  /** Finds the vectors of the inputs, in their order; undefined for each that is not stored. */
  async findVectors(
    call: Call,
    inputs: readonly unknown[],
  ): Promise<(CachedAnswer<StoredVector> | undefined)[]> {
    return Promise.all(inputs.map((input) => this.#read<StoredVector>(inputKey(call, input))));
  }

  storeVector(call: Call, input: unknown, vector: StoredVector, route: Served): void {
    this.#write(inputKey(call, input), vector, route);
  }

  async #read<T>(key: string | undefined): Promise<CachedAnswer<T> | undefined> {
    if (key === undefined) return undefined;
    try {
      const text = await callApp('get() of the cache', () => this.#store.get(key), STORE_TIMEOUT_MS);
      if (text === undefined || text === null) return undefined;
      const stored = JSON.parse(text) as StoredAnswer<T>;
      if (!isObject(stored) || !isObject(stored.data) || !isObject(stored.route)) return undefined;
      const ageMs = Date.now() - stored.storedAt;
      const { ttlMs, staleIfErrorMs } = this.#options;
      if (!(ageMs < ttlMs + staleIfErrorMs)) return undefined;
      return { ...stored, isFresh: ageMs < ttlMs };
    } catch (error) {
      this.#onFailure(error);
      return undefined;
    }
  }

  #write(key: string | undefined, data: object, { endpoint, provider, model }: Served): void {
    if (key === undefined) return;
    const stored = { data, route: { endpoint, provider, model }, storedAt: Date.now() };
    const { ttlMs, staleIfErrorMs } = this.#options;
    try {
      const value = JSON.stringify(stored);
      if (value.length > MAX_VALUE_CHARS) return;
      const set = () => this.#store.set(key, value, ttlMs + staleIfErrorMs);
      void Promise.resolve(callApp('set() of the cache', set, STORE_TIMEOUT_MS)).catch(this.#onFailure);
    } catch (error) {
      this.#onFailure(error);
    }
  }
}

/** Finish reasons of complete answers. */
const ENDED: readonly unknown[] = ['stop', 'tool_calls', 'function_call'];

function isWorthKeeping({ choices }: ChatCompletion): boolean {
  return choices.every(({ finish_reason, message }) => ENDED.includes(finish_reason) && !message.refusal);
}
