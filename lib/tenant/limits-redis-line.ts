import { within } from '../util/timers';
import type { RedisClient, RedisLine } from './limits-redis';

/** An answer that takes longer counts as none, in milliseconds. */
const PATIENCE_MS = 500;
/** The states of a client that has been connected and is no longer, or never will be. */
const GONE: readonly string[] = ['reconnecting', 'close', 'end'];

/** The way to Redis over a client of the app's, whatever its options say of waiting. */
export function lineOver(client: RedisClient): RedisLine {
  return {
    // What the client says of itself changes while nobody can know whether Redis is back: the next question tells.
    state: 'up',
    ask(question) {
      // Its offline queue would hold the request until the connection is back.
      if (GONE.includes(client.status))
        return Promise.reject(new Error(`the connection is ${client.status}`));
      return answerWithin(question(client), PATIENCE_MS);
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
