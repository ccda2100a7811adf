import type { CallSignal } from '../call/call-signal';
import { AiBalancerError } from '../errors';
import { startTimer } from '../util/timers';
import type { RetryOptions } from './options';

/** Milliseconds before the same endpoint is asked again: doubling, with equal jitter (half fixed, half random). */
export function backoffMs(
  tries: number,
  { baseDelayMs, maxDelayMs }: RetryOptions,
  random = Math.random,
): number {
  const ceilingMs = Math.min(maxDelayMs, baseDelayMs * 2 ** Math.min(20, tries));
  return ceilingMs * (0.5 + 0.5 * random());
}

/** Resolves after `ms`; rejects with ERR_AI_ABORTED as soon as the signal aborts. */
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

/** The AiBalancerError that the signal was aborted with, else that the caller left. */
export function abortedError(signal?: CallSignal): AiBalancerError {
  const reason: unknown = signal?.reason;
  if (AiBalancerError.isInstance(reason)) return reason;
  return new AiBalancerError('ERR_AI_ABORTED', 'the caller aborted the call before it was answered', {
    status: 499,
  });
}
