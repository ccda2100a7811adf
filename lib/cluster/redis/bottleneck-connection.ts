import Bottleneck from 'bottleneck';
import type { Client } from '../../util/redis';
import type { RedisClock } from './redis-clock';

type Callback = (error: Error | null, reply?: unknown) => void;
type ScriptFn = (...args: unknown[]) => unknown;

/** The members of Bottleneck's connection through which all of its scripts run. */
interface ScriptRunner {
  __scriptFn__(name: string): ScriptFn;
  client: Client;
  subscriber: Client;
  disconnect(flush?: boolean): Promise<void>;
  on(event: 'error', listener: (error: unknown) => void): unknown;
}

export type Connection = Bottleneck.IORedisConnection & ScriptRunner;

/**
 * Returns the level, in the limiter's units, with which a limiter is created whose keys are not in Redis; undefined for
 * a full one.
 */
export type InitialLevels = (id: string) => number | undefined;

const REDIS_7_PREFIX = /^ERR (?=UNKNOWN_CLIENT|SETTINGS_KEY_NOT_FOUND)/;

/**
 * The line of Bottleneck's script that takes units, and its replacement. The original takes before it refills, so that
 * what is taken from a full reservoir is refilled at once, and lets refunds exceed the maximum.
 */
const TAKE = "redis.call('hincrby', settings_key, 'reservoir', incr)";
const CORRECT_TAKE = `
local before = process_tick(now, false)['reservoir']
local maximum = tonumber(redis.call('hget', settings_key, 'reservoirIncreaseMaximum')) or before
redis.call('hset', settings_key, 'reservoir', string.format('%.0f', math.min(before + incr, math.max(before, maximum))))`;

/**
 * Bottleneck's ioredis connection with corrections of five faults of Bottleneck 2.19.5:
 * - Redis 7 and later puts 'ERR ' before the errors of a script. Bottleneck does not recognize them, so a limiter whose
 * keys or client were lost would never recover.
 * - Bottleneck sends the process's own clock. One that is a minute ahead would fill every bucket.
 * - A limiter whose keys were lost is created again with its first level, so a restart of Redis would fill every
 * bucket.
 * - The script that takes from a reservoir refills it afterwards, and a refund may exceed the maximum.
 * - Unsubscribing while Redis is unreachable causes an unhandled rejection.
 */
export function bottleneckConnection(
  client: Client,
  clock: RedisClock,
  initialLevels: InitialLevels,
): Connection {
  const defineCommand = client.defineCommand.bind(client);
  client.defineCommand = (name, definition) => {
    const { lua } = definition;
    defineCommand(
      name,
      typeof lua === 'string' ? { ...definition, lua: lua.replace(TAKE, CORRECT_TAKE) } : definition,
    );
  };
  // Bottleneck is given the class of the client, because it would otherwise require 'ioredis', which a bundled
  // application may not have.
  const connection = new Bottleneck.IORedisConnection({ client, Redis: client.constructor }) as Connection;
  const scriptFn = connection.__scriptFn__.bind(connection);
  connection.__scriptFn__ = (name) => {
    const script = scriptFn(name);
    return (...given) => {
      const args = [...given];
      const callback = args.pop() as Callback;
      const keyCount = args[0] as number;
      args[keyCount + 1] = clock.now() ?? args[keyCount + 1];
      if (name === 'init') setInitialLevel(args, initialLevels);
      return script(...args, (error: Error | null, reply?: unknown) => {
        if (error) error.message = error.message.replace(REDIS_7_PREFIX, '');
        callback(error, reply);
      });
    };
  };
  const { subscriber } = connection;
  const unsubscribe = subscriber.unsubscribe.bind(subscriber) as (...channels: unknown[]) => Promise<unknown>;
  subscriber.unsubscribe = (...channels: unknown[]) => unsubscribe(...channels).catch(() => undefined);
  // Ignored on purpose: without a listener, Bottleneck would throw. The caller of each command gets its error anyway.
  connection.on('error', () => undefined);
  return connection;
}

function setInitialLevel(args: unknown[], initialLevels: InitialLevels): void {
  const id = args[args.indexOf('id') + 1];
  const level = initialLevels(String(id));
  const at = args.indexOf('reservoir');
  if (level !== undefined && at >= 0) args[at + 1] = String(level);
}
