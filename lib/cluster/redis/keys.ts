/** The key of a limit in Redis. Its braces keep all keys that begin with it on one node of a Redis Cluster. */
export function limiterKey(prefix: string, name: string): string {
  return `${prefix}:{${encodeURIComponent(name)}}`;
}
