import { type ErrorPlan, MODEL_DEFAULTS, RateLimit } from '../../../simulator/physics';
import type { WorkCall } from './workload';

export interface GroupLimits {
  readonly rpm?: number;
  readonly tpm?: number;
  readonly tokensCharged: 'reserved' | 'actual';
  readonly bucketSeconds: number;
}

/** A limit over several endpoints on top of each one's own: what an account allows in all. */
export class GroupLimit {
  readonly #limit: RateLimit;
  readonly #isReserving: boolean;

  constructor(limits: GroupLimits, now: number) {
    this.#limit = new RateLimit({ ...MODEL_DEFAULTS, ...limits }, now);
    this.#isReserving = limits.tokensCharged === 'reserved';
  }

  /** Takes what the call takes at admission; the refusal where there is no room. */
  admit(call: WorkCall, now: number): ErrorPlan | undefined {
    const wanted = call.promptTokens + (this.#isReserving ? call.maxTokens : 0);
    const admission = this.#limit.admit(wanted, now);
    if (admission.admitted) return undefined;
    const { because, limit } = admission;
    return {
      kind: 'error',
      status: 429,
      afterMs: 80,
      type: because === 'requests' ? 'requests' : 'tokens',
      code: 'rate_limit_exceeded',
      message: `Rate limit reached for the account: Limit ${limit}, Requested ${wanted}.`,
      ...(admission.because === 'too_large' ? {} : { retryAfterS: admission.retryAfterS }),
    };
  }

  /** Charges output as it comes, where it was not reserved. */
  produced(tokens: number, now: number): void {
    if (!this.#isReserving) this.#limit.consume(tokens, now);
  }
}
