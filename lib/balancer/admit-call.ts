import { type Call, latestStartAt } from '../call/call';
import type { CallHooks } from '../call/call-hooks';
import { AiBalancerError } from '../errors';
import { abortedError } from '../failover/backoff';
import { startTimer } from '../util/timers';

/**
 * Runs the `admit` hook of a call. It calls functions of the app, so the call does not wait for it beyond its own
 * deadline or after its caller has left.
 *
 * @throws What the hook throws; ERR_AI_DEADLINE; ERR_AI_ABORTED.
 */
export function admitCall(hooks: CallHooks, call: Call): Promise<void> {
  if (hooks.admit === undefined) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(abortedError(call.signal));
    const timer = startTimer(() => reject(deadlineError()), latestStartAt(call) - performance.now());
    const settle = (): void => {
      clearTimeout(timer);
      call.signal.removeEventListener('abort', onAbort);
    };
    call.signal.addEventListener('abort', onAbort);
    if (call.signal.aborted) onAbort();
    Promise.resolve(hooks.admit?.(call)).finally(settle).then(resolve, reject);
  });
}

function deadlineError(): AiBalancerError {
  return new AiBalancerError(
    'ERR_AI_DEADLINE',
    'deadline exceeded before the call was admitted: check that tenant(), priority() and skip() of the guard settle',
    { status: 504, retryable: true },
  );
}
