import type { Cluster, Redis } from 'ioredis';
import { AiBalancerError } from '../errors';
import { isObject } from './is-object';

/** An ioredis client of this package, to one server or to a Redis Cluster. */
export type Client = Redis | Cluster;

/** The cluster's Redis, for counters other than quotas. */
export interface SharedStore {
  /** The first part of every key. */
  readonly prefix: string;
  /** 'idle' before Redis has answered or is known to be unreachable, and after closing. */
  readonly state: 'idle' | 'up' | 'down';
  /** Whether Redis has ever been unreachable. */
  readonly hasBeenDown: boolean;
  /**
   * Runs a command. Rejects at once if Redis is unreachable, and as soon as it becomes unreachable. If a reply takes
   * too long, Redis counts as unreachable.
   */
  run<T>(command: (client: Client) => Promise<T>): Promise<T>;
}

/** A Lua script as a command, which Redis caches. The first arguments are its keys. */
export function redisScript<Reply>(name: string, numberOfKeys: number, lua: string) {
  type Command = (...args: (string | number)[]) => Promise<Reply>;
  return (client: Client, ...args: (string | number)[]): Promise<Reply> => {
    if (!(name in client)) client.defineCommand(name, { numberOfKeys, lua });
    return (Reflect.get(client, name) as Command).apply(client, args);
  };
}

/** Whether `redis` is a client of the app, rather than options for one. */
export function isConnection(
  redis: unknown,
): redis is { readonly status: string; duplicate(...args: never[]): unknown } {
  return (
    typeof redis === 'object' &&
    redis !== null &&
    typeof (redis as { duplicate?: unknown }).duplicate === 'function'
  );
}

/**
 * The part of an error that may be logged: its code and address, or the code at the start of its message. Never a URL,
 * which may hold a password.
 */
export function redisErrorReason(error: unknown): string {
  if (AiBalancerError.isInstance(error)) return error.message;
  if (!isObject(error)) return 'unknown';
  const { code, message, name, address, port, hostname } = error;
  if (typeof code !== 'string') return /^[A-Z_]+(?= )/.exec(String(message))?.[0] ?? String(name);
  const host = typeof address === 'string' ? address : hostname;
  if (typeof host !== 'string') return code;
  return typeof port === 'number' ? `${code} ${host}:${port}` : `${code} ${host}`;
}

/** The fields and values of a hash of numbers, which Redis lists one after the other. */
export function numberPairs(flat: readonly string[]): (readonly [field: number, value: number])[] {
  return flat.flatMap((field, at) => (at % 2 === 0 ? [[Number(field), Number(flat[at + 1])] as const] : []));
}
