import type { Migration } from './migration';
import type { Value } from './value';

/** Writes a cache that serves every equal call, as the source does. @param path The path of the cache in the source. */
export function writeCache(
  path: string,
  options: Readonly<Record<string, Value | undefined>>,
  migration: Migration,
): void {
  migration.options.cache = { calls: 'all', ...options };
  migration.checkFirst(
    path,
    "cache.calls: 'all' answers every equal call from the cache, as before, whatever its temperature; without it only embeddings, and chat with `temperature: 0` or a `seed` (docs/cache.md)",
  );
}
