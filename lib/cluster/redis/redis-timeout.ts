import { within } from '../../util/timers';

/** Redis is unreachable if a round trip takes longer than this: slow is not dead, but no call waits longer for it. */
export const REDIS_TIMEOUT_MS = 250;

/** A timer that fires this late shows that our own event loop was blocked: Redis then gets a little longer. */
const STALL_MS = 10;
const STALL_GRACE_MS = 10;

/**
 * Whether a reply, or an error, comes in time as far as Redis is to blame. Never rejects.
 * @param roundTripMs To Redis: a script that it has not cached, or a heartbeat, takes more than one.
 */
export async function answersInTime(reply: Promise<unknown>, roundTripMs = 0): Promise<boolean> {
  const settled = reply.then(
    () => true,
    () => true,
  );
  const limitMs = REDIS_TIMEOUT_MS + 2 * Math.min(roundTripMs, REDIS_TIMEOUT_MS);
  const dueAt = performance.now() + limitMs;
  if (await within(settled, limitMs)) return true;
  if (performance.now() - dueAt <= STALL_MS) return false;
  // The reply may take several turns of the event loop, if it comes in parts.
  return (await within(settled, STALL_GRACE_MS)) ?? false;
}
