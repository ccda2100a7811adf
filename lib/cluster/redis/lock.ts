import { randomBytes } from 'node:crypto';
import { within } from '../../util/timers';
import { redisScript } from './redis-client';
import type { RedisLink } from './redis-link';
import { REDIS_TIMEOUT_MS } from './redis-timeout';

/** Named locks, each held by one process of the cluster at a time. */
export interface DistributedLock {
  /**
   * 'unknown' if Redis does not answer in time. Never rejects.
   * @param ttlMs The lock expires after this time, in case its holder dies.
   */
  acquire(name: string, ttlMs: number): Promise<'granted' | 'taken' | 'unknown'>;
  /** Does nothing if this process does not hold the lock. */
  release(name: string): void;
}

/** Deletes the key only if this process holds it: it may have expired and belong to another process. */
const runRelease = redisScript<number>(
  'aiBalancerRelease',
  1,
  `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`,
);

export function redisLock(link: RedisLink, prefix: string): DistributedLock {
  const token = randomBytes(12).toString('base64url');
  const keyOf = (name: string): string => `${prefix}:${encodeURIComponent(name)}`;
  return {
    async acquire(name, ttlMs) {
      const ms = Math.max(1, Math.ceil(ttlMs));
      const reply = link
        .tryRun((client) => client.set(keyOf(name), token, 'PX', ms, 'NX'))
        .then((value) => (value === 'OK' ? ('granted' as const) : ('taken' as const)));
      // A lock that is granted later than that is not used, and expires.
      return (await within(reply, REDIS_TIMEOUT_MS).catch(() => undefined)) ?? 'unknown';
    },
    release(name) {
      link.tryRun((client) => runRelease(client, keyOf(name), token)).catch(() => undefined);
    },
  };
}
