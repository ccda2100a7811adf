import { randomBytes } from 'node:crypto';
import { within } from '../../util/timers';
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
const RELEASE_SCRIPT = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

export class RedisLock implements DistributedLock {
  readonly #link: RedisLink;
  readonly #prefix: string;
  readonly #token = randomBytes(12).toString('base64url');

  constructor(link: RedisLink, prefix: string) {
    this.#link = link;
    this.#prefix = prefix;
  }

  async acquire(name: string, ttlMs: number): Promise<'granted' | 'taken' | 'unknown'> {
    const ms = Math.max(1, Math.ceil(ttlMs));
    const reply = this.#link
      .tryRun((client) => client.set(this.#key(name), this.#token, 'PX', ms, 'NX'))
      .then((value) => (value === 'OK' ? ('granted' as const) : ('taken' as const)));
    // A lock that is granted later than that is not used, and expires.
    return (await within(reply, REDIS_TIMEOUT_MS).catch(() => undefined)) ?? 'unknown';
  }

  release(name: string): void {
    this.#link
      .tryRun((client) => client.eval(RELEASE_SCRIPT, 1, this.#key(name), this.#token))
      .catch(() => undefined);
  }

  #key(name: string): string {
    return `${this.#prefix}:${encodeURIComponent(name)}`;
  }
}
