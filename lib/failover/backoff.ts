import type { CallSignal } from '../call/call-signal';
import { AiBalancerError } from '../errors';
import { startTimer } from '../util/timers';
import type { RetryOptions } from './options';

/** Milliseconds before the same endpoint again: doubling, with full jitter over its upper half. */
export function backoffMs(
  tries: number,
  { baseDelayMs, maxDelayMs }: RetryOptions,
  random = Math.random,
): number {
  const ceilingMs = Math.min(maxDelayMs, baseDelayMs * 2 ** Math.min(20, tries));
  return ceilingMs * (0.5 + 0.5 * random());
}

/** Waits, unless the signal aborts: then it throws ERR_AI_ABORTED at once. */
export async function sleep(ms: number, signal: CallSignal): Promise<void> {
  if (signal.aborted) throw abortedError();
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(abortedError());
    };
    const timer = startTimer(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** The error of ours that the signal was aborted with, or that the caller left. */
export function abortedError(signal?: CallSignal): AiBalancerError {
  const reason: unknown = signal?.reason;
  if (AiBalancerError.isInstance(reason)) return reason;
  return new AiBalancerError('ERR_AI_ABORTED', 'the caller left before the answer was there', {
    status: 499,
  });
}
