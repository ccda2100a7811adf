import type { CallSignal } from '../call/call-signal';
import { startTimer, type Timer } from '../util/timers';
import { abortedError } from './call-errors';

/**
 * Resolves to the promise's value, or to undefined if it takes longer than `ms`; Infinity sets no limit. Rejects as the
 * promise does, and with ERR_AI_ABORTED as soon as the signal aborts.
 */
export async function untilAborted<T>(
  promise: Promise<T>,
  ms: number,
  signal: CallSignal,
): Promise<T | undefined> {
  let timer: Timer | undefined;
  let onAbort!: () => void;
  const aborted = new Promise<undefined>((resolve, reject) => {
    onAbort = () => reject(abortedError(signal));
    if (ms !== Infinity) timer = startTimer(() => resolve(undefined), ms);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/** Resolves after `ms`; rejects with ERR_AI_ABORTED as soon as the signal aborts. */
export async function sleep(ms: number, signal: CallSignal): Promise<void> {
  await untilAborted(new Promise<never>(() => undefined), ms, signal);
}
