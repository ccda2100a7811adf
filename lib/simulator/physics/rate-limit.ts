import { TokenBucket } from './bucket';
import type { ModelProfile } from './description';

/** What a provider tells of its limits in the headers of an answer. Absent where there is no limit. */
export interface LimitReading {
  requests?: LimitWindow;
  tokens?: LimitWindow;
}

export interface LimitWindow {
  /** A minute's worth. */
  limit: number;
  remaining: number;
  /** Milliseconds until the bucket is full again. */
  resetMs: number;
}

export type Admission =
  | { admitted: true }
  | { admitted: false; because: 'requests' | 'tokens'; limit: number; used: number; retryAfterS: number }
  | { admitted: false; because: 'too_large'; limit: number };

/** The two buckets of one key on one model. */
export class RateLimit {
  readonly #requests: TokenBucket;
  readonly #tokens: TokenBucket;
  readonly #refusalsBurnRequests: boolean;

  constructor(profile: ModelProfile, now: number) {
    const { rpm, tpm, bucketSeconds } = profile;
    // A bucket shallower than one request would let nothing in, ever.
    this.#requests = new TokenBucket(rpm, Math.max(1, (rpm / 60) * bucketSeconds), now);
    this.#tokens = new TokenBucket(tpm, (tpm / 60) * bucketSeconds, now);
    this.#refusalsBurnRequests = profile.tokensCharged === 'reserved';
  }

  admit(tokens: number, now: number): Admission {
    if (tokens > this.#tokens.depth) return this.#refuse('too_large', tokens, now);
    if (!this.#requests.fits(1, now)) return this.#refuse('requests', tokens, now);
    if (!this.#tokens.fits(tokens, now)) return this.#refuse('tokens', tokens, now);
    this.#requests.take(1, now);
    this.#tokens.take(tokens, now);
    return { admitted: true };
  }

  /** Charges output as it is produced; this may leave a debt. */
  consume(tokens: number, now: number): void {
    this.#tokens.take(tokens, now);
  }

  reading(now: number): LimitReading {
    const reading: LimitReading = {};
    if (!this.#requests.unlimited) reading.requests = windowOf(this.#requests, now);
    if (!this.#tokens.unlimited) reading.tokens = windowOf(this.#tokens, now);
    return reading;
  }

  #refuse(because: 'requests' | 'tokens' | 'too_large', tokens: number, now: number): Admission {
    if (this.#refusalsBurnRequests) this.#requests.burn(1, now);
    if (because === 'too_large') {
      // Named by the smaller of the two, so that the message is true for a shallow bucket as well.
      return {
        admitted: false,
        because,
        limit: Math.floor(Math.min(this.#tokens.perMinute, this.#tokens.depth)),
      };
    }
    const bucket = because === 'requests' ? this.#requests : this.#tokens;
    const waitMs = Math.max(this.#requests.msUntil(1, now), this.#tokens.msUntil(tokens, now));
    return {
      admitted: false,
      because,
      limit: bucket.perMinute,
      used: Math.max(0, Math.round(bucket.depth - bucket.level(now))),
      retryAfterS: Math.max(1, Math.ceil(waitMs / 1000)),
    };
  }
}

function windowOf(bucket: TokenBucket, now: number): LimitWindow {
  return {
    limit: bucket.perMinute,
    remaining: Math.max(0, Math.floor(bucket.level(now) + 1e-6)),
    resetMs: bucket.msUntilFull(now),
  };
}
