import type { AttemptEvent } from '../balancer/events';
import type { FailureClass } from '../failure/classes';
import { BoundedMap } from '../util/bounded-map';
import { addTo, BUCKET_MS } from './call-history';

/** Number of buckets over which rates are computed: 30 seconds. */
const WINDOW_BUCKETS = 6;
const PER_MINUTE = 60_000 / (WINDOW_BUCKETS * BUCKET_MS);
/** Maximum number of endpoints that are remembered. Only reloads that replace endpoints can reach it. */
const MAX_ENDPOINTS = 5_000;
const MAX_MESSAGE_CHARS = 160;

/** Failure classes whose message is shown. Messages of the other classes may quote the prompt. */
const SHOWN_MESSAGES: ReadonlySet<FailureClass> = new Set([
  'rate_limited',
  'quota_exhausted',
  'unauthorized',
  'model_missing',
  'not_served',
  'timeout',
  'connection',
]);

/** The rates of one endpoint over the last 30 seconds. */
export interface EndpointRates {
  readonly attemptsPerMinute: number;
  readonly failuresPerMinute: number;
  readonly usdPerMinute: number;
}

/** The last failed attempt at an endpoint. */
export interface LastFailure {
  readonly class: FailureClass;
  readonly status?: number;
  readonly code?: string;
  readonly message?: string;
}

const NO_RATES: EndpointRates = { attemptsPerMinute: 0, failuresPerMinute: 0, usdPerMinute: 0 };

/** The rates and the last failure of each endpoint. */
export class EndpointActivity {
  readonly #endpoints = new BoundedMap<string, Activity>(MAX_ENDPOINTS);

  recordAttempt(event: AttemptEvent, now: number): void {
    this.#of(event.endpoint).recordAttempt(event, now);
  }

  recordCost(endpoint: string, usd: number, now: number): void {
    this.#of(endpoint).recordCost(usd, now);
  }

  rates(endpoint: string, now: number): EndpointRates {
    return this.#endpoints.get(endpoint)?.rates(now) ?? NO_RATES;
  }

  lastFailure(endpoint: string): LastFailure | undefined {
    return this.#endpoints.get(endpoint)?.lastFailure;
  }

  #of(endpoint: string): Activity {
    let activity = this.#endpoints.get(endpoint);
    if (activity === undefined) {
      activity = new Activity();
      this.#endpoints.set(endpoint, activity);
    }
    return activity;
  }
}

class Activity {
  lastFailure: LastFailure | undefined;
  readonly #numbers = new Float64Array(WINDOW_BUCKETS).fill(-1);
  readonly #attempts = new Uint32Array(WINDOW_BUCKETS);
  readonly #failures = new Uint32Array(WINDOW_BUCKETS);
  readonly #usd = new Float64Array(WINDOW_BUCKETS);

  recordAttempt(event: AttemptEvent, now: number): void {
    const place = this.#placeAt(now);
    // An attempt whose stream broke off was counted when the stream began.
    if (!event.brokeOff) addTo(this.#attempts, place, 1);
    if (event.class === undefined || event.class === 'aborted') return;
    addTo(this.#failures, place, 1);
    this.lastFailure = failureOf(event.class, event);
  }

  recordCost(usd: number, now: number): void {
    addTo(this.#usd, this.#placeAt(now), usd);
  }

  rates(now: number): EndpointRates {
    const oldest = Math.floor(now / BUCKET_MS) - WINDOW_BUCKETS;
    const sum = (values: Uint32Array | Float64Array): number => {
      let total = 0;
      for (let place = 0; place < WINDOW_BUCKETS; place++) {
        if ((this.#numbers[place] as number) > oldest) total += values[place] as number;
      }
      return total * PER_MINUTE;
    };
    return {
      attemptsPerMinute: sum(this.#attempts),
      failuresPerMinute: sum(this.#failures),
      usdPerMinute: sum(this.#usd),
    };
  }

  #placeAt(now: number): number {
    const number = Math.floor(now / BUCKET_MS);
    const place = number % WINDOW_BUCKETS;
    if (this.#numbers[place] !== number) {
      this.#numbers[place] = number;
      this.#attempts[place] = 0;
      this.#failures[place] = 0;
      this.#usd[place] = 0;
    }
    return place;
  }
}

function failureOf(failureClass: FailureClass, { status, code, message }: AttemptEvent): LastFailure {
  const isShown = message !== undefined && SHOWN_MESSAGES.has(failureClass);
  return {
    class: failureClass,
    ...(status === undefined ? {} : { status }),
    ...(code === undefined ? {} : { code }),
    ...(isShown ? { message: message.slice(0, MAX_MESSAGE_CHARS) } : {}),
  };
}
