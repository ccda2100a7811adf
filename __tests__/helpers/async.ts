/** Resolves once the condition holds; rejects if it does not within `ms`, which only a wrong behaviour reaches. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`the condition did not hold within ${ms} ms`);
    await pause(2);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Resolves after `ms`, when what has arrived at the sockets of this process by then has been read. */
export async function pauseAndRead(ms: number): Promise<void> {
  await pause(ms);
  // A timer that is late fires before the sockets are read, an immediate after it.
  await new Promise((resolve) => setImmediate(resolve));
}

/** Resolves to the reason with which a promise rejects; rejects if it resolves. */
export async function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (reason) {
    return reason;
  }
  throw new Error('expected a rejection');
}
