import type { FailureDetail } from '../failure/detail';
import type { LimitReading } from '../provider/rate-limits/rate-limit-headers';

/** A failed attempt. It holds plain, bounded values only: never the key, the prompt or axios's error. */
export class UpstreamFailure extends Error {
  override readonly name = 'UpstreamFailure';
  constructor(
    readonly detail: FailureDetail,
    /** Whether response headers arrived: then the upstream may bill the attempt. */
    readonly isAnswered: boolean,
    /** The limits in the response headers. */
    readonly reading?: LimitReading,
  ) {
    super(detail.message);
  }
}
