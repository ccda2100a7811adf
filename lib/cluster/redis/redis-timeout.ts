import { within } from '../../util/timers';

/** Redis is unreachable if it doesn't answer within this time: no call waits longer for it. */
export const REDIS_TIMEOUT_MS = 30;

/** A timer that fires this late shows that our own event loop was blocked: Redis then gets a little longer. */
const STALL_MS = 10;
const STALL_GRACE_MS = 10;

/** Whether a reply, or an error, comes within {@link REDIS_TIMEOUT_MS} as far as Redis is to blame. Never rejects. */
export async function answersInTime(reply: Promise<unknown>): Promise<boolean> {
  const settled = reply.then(
    () => true,
    () => true,
  );
  const dueAt = performance.now() + REDIS_TIMEOUT_MS;
  if (await within(settled, REDIS_TIMEOUT_MS)) return true;
  if (performance.now() - dueAt <= STALL_MS) return false;
  // The reply may take several turns of the event loop: its script isn't loaded yet, or it comes in parts.
  return (await within(settled, STALL_GRACE_MS)) ?? false;
}
