import { randomBytes } from 'node:crypto';
import { within } from '../../util/timers';
import type { RedisLink } from '../redis/redis-link';
import { REDIS_TIMEOUT_MS } from '../redis/redis-timeout';
import type { DistributedLock } from './ports';

/** Only whoever holds a claim gives it up: by then it may have run out, and be another's. */
const RELEASE_SCRIPT = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

/** Claims in Redis: a key with a time to live and the holder's own token. */
export class RedisLock implements DistributedLock {
  readonly #link: RedisLink;
  readonly #prefix: string;
  readonly #token: string;

  constructor(link: RedisLink, prefix: string, id: string) {
    this.#link = link;
    this.#prefix = prefix;
    this.#token = `${id}-${randomBytes(6).toString('base64url')}`;
  }

  async acquire(name: string, ttlMs: number): Promise<'granted' | 'taken' | 'unknown'> {
    const ms = Math.max(1, Math.ceil(ttlMs));
    try {
      // A lock that is granted later than that expires by itself.
      const answer = await within(
        this.#link
          .tryRun((client) => client.set(this.#key(name), this.#token, 'PX', ms, 'NX'))
          .then((value) => ({ value })),
        REDIS_TIMEOUT_MS,
      );
      if (!answer) return 'unknown';
      return answer.value === 'OK' ? 'granted' : 'taken';
    } catch {
      return 'unknown';
    }
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
