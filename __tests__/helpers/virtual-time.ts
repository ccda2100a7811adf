/** Turns of the event loop in which everything that this process has written to its own sockets arrives. */
const IO_TURNS = 25;

/**
 * Use it with jest's fake timers, without `setImmediate` and `nextTick` among them. Runs the work to its end with real
 * sockets: the clock jumps to the next timer whenever the sockets of this process have nothing more to deliver.
 */
export async function runInVirtualTime<T>(work: () => Promise<T>): Promise<T> {
  const state = { isDone: false };
  const result = work().finally(() => (state.isDone = true));
  // It is awaited below; until then its rejection is not unhandled.
  result.catch(() => undefined);
  for (;;) {
    for (let turn = 0; turn < IO_TURNS && !state.isDone; turn++)
      await new Promise<void>((resolve) => setImmediate(resolve));
    if (state.isDone) return result;
    await jest.advanceTimersToNextTimerAsync();
  }
}
