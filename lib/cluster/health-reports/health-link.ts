import { randomBytes } from 'node:crypto';
import { redisScript } from '../../util/redis';
import type { Connection } from '../redis/bottleneck-connection';
import type { RedisLink } from '../redis/redis-link';

/** Deletes a lock's key only if this process holds the lock: it may have expired and belong to another process. */
const runRelease = redisScript<number>(
  'aiBalancerRelease',
  1,
  `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`,
);

/** The access to Redis that health reports need. */
export type HealthReportsLink = ReturnType<typeof healthReportsLink>;

/** @param id Identifies this process. */
export function healthReportsLink(link: RedisLink, prefix: string, id: string) {
  const channel = `${prefix}:{health}`;
  const token = randomBytes(12).toString('base64url');
  const keyOf = (name: string): string => `${prefix}:{lock}:${encodeURIComponent(name)}`;
  return {
    id,
    /** The time of Redis's clock in milliseconds; undefined until Redis has answered. */
    now: (): number | undefined => link.clock.now(),
    /** Publishes a message to all processes of the cluster. Never throws. Does nothing while Redis is unreachable. */
    publish(text: string): void {
      link.run(({ client }) => client.publish(channel, text)).catch(() => undefined);
    },
    /**
     * Subscribes to the messages of all processes. Messages may be late, lost, repeated, this process's own, or from
     * other software.
     * @param onSubscribed Called once, when messages can be received and published.
     */
    subscribe(onMessage: (text: string) => void, onSubscribed: () => void): void {
      let onFirst: (() => void) | undefined = () => void link.tried.promise.then(onSubscribed);
      const listen = ({ subscriber }: Connection): void => {
        subscriber.on('message', (from: string, text: string) => {
          if (from === channel) onMessage(text);
        });
        const subscribe = (): void => {
          const subscribed = subscriber.subscribe(channel).then(() => onFirst?.());
          subscribed.then(() => (onFirst = undefined)).catch(() => undefined);
        };
        // Also after every reconnection: ioredis does not repeat a subscription that has failed.
        subscriber.on('ready', subscribe);
        if (subscriber.status === 'ready') subscribe();
      };
      link.opened.then(listen, () => undefined);
    },
    /**
     * Acquires a lock that one process of the cluster can hold at a time. 'unknown' if Redis does not answer in time.
     * Never rejects.
     * @param ttlMs The time after which the lock expires, in case its holder dies.
     */
    acquire(name: string, ttlMs: number): Promise<'granted' | 'taken' | 'unknown'> {
      const ms = Math.max(1, Math.ceil(ttlMs));
      // If the lock is granted but the reply is late, it is not used, and expires.
      const reply = link.run(({ client }) => client.set(keyOf(name), token, 'PX', ms, 'NX'));
      return reply.then(
        (value) => (value === 'OK' ? 'granted' : 'taken'),
        () => 'unknown',
      );
    },
    /** Releases a lock. Does nothing if this process does not hold it. */
    release(name: string): void {
      link.run(({ client }) => runRelease(client, keyOf(name), token)).catch(() => undefined);
    },
  };
}
