/** The name of a ledger in Redis. The braces keep all of its keys on one node of a Redis Cluster. */
export function limiterKey(prefix: string, name: string): string {
  return `${prefix}:{${encodeURIComponent(name)}}`;
}
