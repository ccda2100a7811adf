import { type ErrorPlan, MODEL_DEFAULTS, RateLimit } from '../../../simulator/behavior';
import type { WorkCall } from './workload';

export interface GroupLimits {
  readonly rpm?: number;
  readonly tpm?: number;
  readonly tokensCharged: 'reserved' | 'actual';
  readonly bucketSeconds: number;
}

/** The limit of an account that several endpoints share, in addition to each endpoint's own limits. */
export class GroupLimit {
  readonly #limit: RateLimit;
  readonly #isReserving: boolean;

  constructor(limits: GroupLimits, now: number) {
    this.#limit = new RateLimit({ ...MODEL_DEFAULTS, ...limits }, now);
    this.#isReserving = limits.tokensCharged === 'reserved';
  }

  /** Admits a call and returns undefined, or returns the error with which the call is refused. */
  admit(call: WorkCall, now: number): ErrorPlan | undefined {
    const wanted = call.promptTokens + (this.#isReserving ? call.maxTokens : 0);
    const admission = this.#limit.admit(wanted, now);
    if (admission.admitted) return undefined;
    const { reason, limit } = admission;
    return {
      kind: 'error',
      status: 429,
      afterMs: 80,
      type: reason === 'requests' ? 'requests' : 'tokens',
      code: 'rate_limit_exceeded',
      message: `Rate limit reached for the account: Limit ${limit}, Requested ${wanted}.`,
      ...(admission.reason === 'too_large' ? {} : { retryAfterS: admission.retryAfterS }),
    };
  }

  /** Charges generated output tokens, unless they were reserved at admission. */
  recordOutput(tokens: number, now: number): void {
    if (!this.#isReserving) this.#limit.consume(tokens, now);
  }
}
