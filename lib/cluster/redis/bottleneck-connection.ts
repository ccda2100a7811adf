import Bottleneck from 'bottleneck';
import type { Client } from './redis-client';
import type { RedisClock } from './redis-clock';

type Callback = (error: Error | null, reply?: unknown) => void;
type ScriptFn = (...args: unknown[]) => unknown;

/** What is mended of a connection: the one place through which all of its scripts go. */
interface ScriptRunner {
  __scriptFn__(name: string): ScriptFn;
  client: Client;
  subscriber: Client;
  disconnect(flush?: boolean): Promise<void>;
  on(event: 'error', listener: (error: unknown) => void): unknown;
}

/** Gives the level, in units of the ledger, with which a limiter is made whose keys are not in Redis (any more). */
export type InitialLevels = (id: string) => number | undefined;

const REDIS_7_PREFIX = /^ERR (?=UNKNOWN_CLIENT|SETTINGS_KEY_NOT_FOUND)/;

/**
 * Bottleneck's ioredis connection, mended in four places:
 * - Redis 7 and later puts 'ERR ' before the errors of a script, which Bottleneck 2.19.5 doesn't know: a limiter whose
 *   keys or client were lost would never recover.
 * - Bottleneck sends the process's own clock. One that is a minute ahead would fill every bucket.
 * - A limiter that has lost its keys is made anew with its first level: after a restart of Redis every bucket would be
 *   full, whatever had been used.
 * - Leaving a channel while Redis is away is an unhandled rejection.
 */
export function bottleneckConnection(
  client: Client,
  clock: RedisClock,
  initialLevels: InitialLevels,
): Bottleneck.IORedisConnection & ScriptRunner {
  // Without the class it would look for the package by itself, which a bundled app may not have.
  const options = { client, Redis: client.constructor };
  const connection = new Bottleneck.IORedisConnection(options) as Bottleneck.IORedisConnection & ScriptRunner;
  const scriptFn = connection.__scriptFn__.bind(connection);
  connection.__scriptFn__ = (name) => {
    const script = scriptFn(name);
    return (...given) => {
      const args = [...given];
      const callback = args.pop() as Callback;
      const keys = args[0] as number;
      args[keys + 1] = clock.now() ?? args[keys + 1];
      if (name === 'init') setInitialLevel(args, initialLevels);
      return script(...args, (error: Error | null, reply?: unknown) => {
        if (error) error.message = error.message.replace(REDIS_7_PREFIX, '');
        callback(error, reply);
      });
    };
  };
  const { subscriber } = connection;
  const unsubscribe = subscriber.unsubscribe.bind(subscriber) as (...channels: unknown[]) => Promise<unknown>;
  // Nobody handles the rejection where Bottleneck leaves a channel of a Redis that is away.
  subscriber.unsubscribe = (...channels: unknown[]) => unsubscribe(...channels).catch(() => undefined);
  // Without a listener Bottleneck throws; what has failed is told to whoever asked.
  connection.on('error', () => undefined);
  return connection;
}

function setInitialLevel(args: unknown[], initialLevels: InitialLevels): void {
  const id = args[args.indexOf('id') + 1];
  const level = initialLevels(String(id));
  const at = args.indexOf('reservoir');
  if (level !== undefined && at >= 0) args[at + 1] = String(level);
}
