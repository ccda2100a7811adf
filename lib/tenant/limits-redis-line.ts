import { within } from '../util/timers';
import type { RedisAccess, RedisClient } from './limits-redis';

/** An answer that takes longer counts as none, in milliseconds. */
const REPLY_TIMEOUT_MS = 500;
/** The states of a client that has been connected and is no longer, or never will be. */
const DISCONNECTED_STATES: readonly string[] = ['reconnecting', 'close', 'end'];

/** The way to Redis over a client of the app's, whatever its options say of waiting. */
export function redisAccess(client: RedisClient): RedisAccess {
  return {
    // What the client says of itself changes while nobody can know whether Redis is back: the next question tells.
    state: 'up',
    run(command) {
      // Its offline queue would hold the request until the connection is back.
      if (DISCONNECTED_STATES.includes(client.status))
        return Promise.reject(new Error(`the connection is ${client.status}`));
      return answerWithin(command(client), REPLY_TIMEOUT_MS);
    },
  };
}

async function answerWithin<T>(promise: Promise<T>, ms: number): Promise<T> {
  const answer = await within(
    promise.then((value) => ({ value })),
    ms,
  );
  if (!answer) throw new Error(`no answer within ${ms} ms`);
  return answer.value;
}
