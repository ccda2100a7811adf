import type { ChatCompletion, EmbeddingResponse } from '../call/answer';
import type { EmbeddingBody } from '../call/body';
import type { Call } from '../call/call';
import type { RouteReport } from '../route-report';
import { callApp } from '../util/app-function';
import { isObject } from '../util/is-object';
import { cacheKey, inputKey } from './cache-key';
import type { CacheStore, ResolvedCacheOptions } from './options';

/** A store that takes longer than this counts as failed, in milliseconds. */
const STORE_TIMEOUT_MS = 250;
/** A larger answer is not stored: writing it would hold up other calls. */
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
  /** False if it may only be served where no endpoint can answer. */
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

/** What the cache has for a call, and what becomes of the answer that the call gets elsewhere. */
export interface CacheLookup {
  /** The answer: nothing needs to be sent. */
  readonly hit: CacheHit | undefined;
  /** An answer that has expired, for a call that no endpoint can answer. */
  readonly stale: CacheHit | undefined;
  /** What is left to send, where the cache has a part of the answer. */
  readonly rest: EmbeddingBody | undefined;
  /** Adds the part that the cache has. */
  complete(answer: CacheHit['data']): CacheHit['data'];
  /** Keeps an answer to what was sent, as an endpoint gave it. */
  store(answer: CacheHit['data'], route: CacheHit['route']): void;
}

/** Stores whole answers of endpoints and finds them again. A store that fails costs no call more than its time limit. */
export class ResponseCache {
  readonly #store: CacheStore;
  readonly #options: ResolvedCacheOptions;
  readonly #onFailure: (error: unknown) => void;

  constructor(store: CacheStore, options: ResolvedCacheOptions, onFailure: (error: unknown) => void) {
    this.#store = store;
    this.#options = options;
    this.#onFailure = onFailure;
  }

  /** The answer to an equal call of the same tenant. */
  async find(call: Call): Promise<CachedAnswer<ChatCompletion> | undefined> {
    return this.#read<ChatCompletion>(cacheKey(call));
  }

  /** Keeps an answer, unless it is a refusal or was cut short. */
  store(call: Call, data: ChatCompletion, route: Served): void {
    if (isWorthKeeping(data)) this.#write(cacheKey(call), data, route);
  }

  /** The vectors of the inputs, in their order; undefined for each that is not stored. */
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

/** Answers that ended by themselves. */
const ENDED: readonly unknown[] = ['stop', 'tool_calls', 'function_call'];

function isWorthKeeping({ choices }: ChatCompletion): boolean {
  return choices.every(({ finish_reason, message }) => ENDED.includes(finish_reason) && !message.refusal);
}
