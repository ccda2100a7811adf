import type { VirtualProvider } from '../../../lib/cli/simulate/engine/virtual-provider';
import type { WorkCall } from '../../../lib/cli/simulate/engine/workload';
import type { ErrorPlan } from '../../../lib/simulator/behavior';

/** How one attempt ended for the client. */
export type AttemptOutcome =
  | { readonly kind: 'answered' | 'bad_answer'; readonly ms: number; readonly firstTokenMs: number }
  | {
      readonly kind: 'error';
      readonly ms: number;
      readonly status: number;
      readonly retryAfterMs: number | undefined;
    }
  | { readonly kind: 'timeout'; readonly ms: number; readonly firstTokenMs: number | undefined };

export interface AttemptLimits {
  /** Milliseconds after which the client aborts the attempt. */
  readonly timeoutMs: number;
  onFirstToken?(ms: number): void;
}

/** Sends a call and waits for the whole answer. */
export function attempt(
  provider: VirtualProvider,
  call: WorkCall,
  limits: AttemptLimits,
): Promise<AttemptOutcome> {
  const since = performance.now();
  const elapsed = (): number => performance.now() - since;
  return new Promise((resolve) => {
    let firstTokenMs: number | undefined;
    const settle = (outcome: AttemptOutcome): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    const timer = setTimeout(() => {
      abandon();
      settle({ kind: 'timeout', ms: elapsed(), firstTokenMs });
    }, limits.timeoutMs);
    const abandon = provider.startAttempt(call, {
      failed: (plan) =>
        settle({ kind: 'error', ms: elapsed(), status: plan.status, retryAfterMs: retryAfter(plan) }),
      reset: () => settle({ kind: 'error', ms: elapsed(), status: 0, retryAfterMs: undefined }),
      progress: () => {
        if (firstTokenMs !== undefined) return;
        firstTokenMs = elapsed();
        limits.onFirstToken?.(firstTokenMs);
      },
      finished: ({ damage }) =>
        settle({
          kind: damage ? 'bad_answer' : 'answered',
          ms: elapsed(),
          firstTokenMs: firstTokenMs ?? elapsed(),
        }),
    });
  });
}

function retryAfter(plan: ErrorPlan): number | undefined {
  return plan.retryAfterS === undefined ? undefined : plan.retryAfterS * 1000;
}
