import { within } from '../util/timers';
import type { RedisAccess, RedisClient } from './limits-redis';

/** A reply that takes longer counts as a failure, in milliseconds. */
const REPLY_TIMEOUT_MS = 500;
/** The states of a client that has lost its connection, or never had one. */
const DISCONNECTED_STATES: readonly string[] = ['reconnecting', 'close', 'end'];

/** Access to Redis with the app's own client, which fails fast whatever the client's options are. */
export function redisAccess(client: RedisClient): RedisAccess {
  return {
    // Only the next command shows whether Redis is back.
    state: 'up',
    async run(command) {
      // The client's offline queue would hold the command until the connection is back.
      if (DISCONNECTED_STATES.includes(client.status)) throw new Error(`the connection is ${client.status}`);
      const reply = await within(
        command(client).then((value) => ({ value })),
        REPLY_TIMEOUT_MS,
      );
      if (!reply) throw new Error(`no answer within ${REPLY_TIMEOUT_MS} ms`);
      return reply.value;
    },
  };
}
