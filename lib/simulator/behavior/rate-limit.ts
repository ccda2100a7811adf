import type { ModelProfile } from './model-description';
import { TokenBucket } from './token-bucket';

/** The limits that a provider reports in the headers of an answer. */
export interface LimitReading {
  /** The limit of requests; undefined for none. */
  requests?: LimitWindow;
  /** The limit of tokens; undefined for none. */
  tokens?: LimitWindow;
}

/** The state of one limit. */
export interface LimitWindow {
  /** The limit per minute. */
  limit: number;
  /** Requests or tokens that are left now. */
  remaining: number;
  /** Milliseconds until the bucket is full again. */
  resetMs: number;
}

/** Whether a call fits its limits; if not, which limit refused it and when it would fit. */
export type Admission =
  | {
      /** The call is admitted. */
      admitted: true;
    }
  | {
      /** The call is refused. */
      admitted: false;
      /** The limit that was exceeded. */
      reason: 'requests' | 'tokens';
      /** The exceeded limit, per minute. */
      limit: number;
      /** Requests or tokens that have been used: what the bucket lacks to be full. */
      used: number;
      /** Whole seconds after which the call fits. */
      retryAfterS: number;
    }
  | {
      /** The call is refused. */
      admitted: false;
      /** The call alone exceeds the bucket, so it never fits. */
      reason: 'too_large';
      /** The smaller of the limit per minute and the depth of the bucket. */
      limit: number;
    };

/** The request and token buckets of one key at one model. */
export class RateLimit {
  readonly #requests: TokenBucket;
  readonly #tokens: TokenBucket;
  readonly #refusalsBurnRequests: boolean;

  constructor(profile: ModelProfile, now: number) {
    const { rpm, tpm, bucketSeconds } = profile;
    // A bucket shallower than one request would never admit anything.
    this.#requests = new TokenBucket(rpm, Math.max(1, (rpm / 60) * bucketSeconds), now);
    this.#tokens = new TokenBucket(tpm, (tpm / 60) * bucketSeconds, now);
    this.#refusalsBurnRequests = profile.tokensCharged === 'reserved';
  }

  /** Takes one request and `tokens`, or neither. A refusal uses up a request if the provider reserves tokens. */
  admit(tokens: number, now: number): Admission {
    if (tokens > this.#tokens.depth) return this.#refuse('too_large', tokens, now);
    if (!this.#requests.fits(1, now)) return this.#refuse('requests', tokens, now);
    if (!this.#tokens.fits(tokens, now)) return this.#refuse('tokens', tokens, now);
    this.#requests.take(1, now);
    this.#tokens.take(tokens, now);
    return { admitted: true };
  }

  /** Charges tokens that were generated after admission, into debt if need be. */
  consume(tokens: number, now: number): void {
    this.#tokens.take(tokens, now);
  }

  /** The state of both limits at `now`. */
  reading(now: number): LimitReading {
    const reading: LimitReading = {};
    if (!this.#requests.unlimited) reading.requests = windowOf(this.#requests, now);
    if (!this.#tokens.unlimited) reading.tokens = windowOf(this.#tokens, now);
    return reading;
  }

  #refuse(reason: 'requests' | 'tokens' | 'too_large', tokens: number, now: number): Admission {
    if (this.#refusalsBurnRequests) this.#requests.takeAvailable(1, now);
    if (reason === 'too_large') {
      // A shallow bucket refuses calls below the limit per minute, and the message must name the limit that was
      // exceeded.
      return {
        admitted: false,
        reason,
        limit: Math.floor(Math.min(this.#tokens.perMinute, this.#tokens.depth)),
      };
    }
    const bucket = reason === 'requests' ? this.#requests : this.#tokens;
    const waitMs = Math.max(this.#requests.msUntil(1, now), this.#tokens.msUntil(tokens, now));
    return {
      admitted: false,
      reason,
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
