/** The longest delay that Node's timers take, in milliseconds (about 24.8 days). A longer one would fire after 1 ms. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

export type Timer = ReturnType<typeof setTimeout>;

/**
 * `setTimeout` for delays that were computed: a delay below 0 becomes 0, and one that is too long, or is not a number,
 * becomes {@link MAX_TIMER_MS}. All timers of the package start here, so none of them can overflow.
 */
export function startTimer(callback: () => void, ms: number): Timer {
  return setTimeout(callback, ms >= 0 ? Math.min(ms, MAX_TIMER_MS) : Number.isNaN(ms) ? MAX_TIMER_MS : 0);
}

/**
 * Runs the callback after the event loop has polled I/O once. A timer that fires late, because the event loop was
 * blocked, fires before the data that arrived meanwhile is read: a timeout must look at the sockets once more before it
 * blames the other side.
 */
export function afterPendingIO(callback: () => void): void {
  setImmediate(callback);
}

/**
 * Resolves to the promise's value, or to undefined if it takes longer than `ms`. Rejects as the promise does. If the
 * event loop was blocked, data that arrived meanwhile is read before the time counts as over.
 */
export function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  if (ms === Infinity) return promise;
  return new Promise((resolve, reject) => {
    const timer = startTimer(() => afterPendingIO(() => resolve(undefined)), ms);
    const stop = (): void => clearTimeout(timer);
    promise.then(stop, stop);
    promise.then(resolve, reject);
  });
}

/**
 * Whether a promise settles within `ms`. Never rejects. If the timer fires more than `stallMs` late, the event loop was
 * blocked, and the promise gets `stallMs` more: what has arrived may take several turns to be read.
 */
export async function settlesWithin(
  promise: Promise<unknown>,
  ms: number,
  stallMs: number,
): Promise<boolean> {
  const settled = Promise.allSettled([promise]);
  const dueAt = performance.now() + ms;
  if (await within(settled, ms)) return true;
  if (performance.now() - dueAt <= stallMs) return false;
  return (await within(settled, stallMs)) !== undefined;
}
