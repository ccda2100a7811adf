import type { CacheStore } from '../cache/options';
import type { SharedStore } from '../util/redis';

/** Creates a cache store in the cluster's Redis, which deletes answers when they expire. */
export function redisStore(store: SharedStore): CacheStore {
  const keyOf = (key: string): string => `${store.prefix}:cache:${key}`;
  return {
    get: (key) => store.run((client) => client.get(keyOf(key))),
    set: (key, value, ttlMs) => store.run((client) => client.set(keyOf(key), value, 'PX', Math.ceil(ttlMs))),
  };
}
