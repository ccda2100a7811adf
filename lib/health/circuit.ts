import CircuitBreaker from 'opossum';
import type { BreakerOptions } from './options';

export type BreakerState = 'closed' | 'open' | 'half-open';

const WINDOW_MS = 30_000;
const BUCKETS = 10;

export interface CircuitListeners {
  onOpen(): void;
  onHalfOpen(): void;
  onClose(): void;
}

/**
 * One opossum breaker: it keeps the state, the window and the timer. It is told of attempts when they end, and how long
 * to rest before it opens. Used from its closing to its next: opossum keeps its window when it closes, and the first
 * failure after a recovery would be judged by the outage.
 */
export class Circuit {
  readonly #breaker: CircuitBreaker<[Promise<unknown>]>;
  /** opossum reads `resetTimeout` from this very object each time it opens. */
  readonly #options: CircuitBreaker.Options<[Promise<unknown>]> & { resetTimeout: number };

  constructor(
    name: string,
    { volumeThreshold, errorThresholdPercentage, resetTimeoutMs }: BreakerOptions,
    listeners: CircuitListeners,
  ) {
    this.#options = {
      name,
      timeout: false,
      volumeThreshold,
      errorThresholdPercentage,
      resetTimeout: resetTimeoutMs,
      rollingCountTimeout: WINDOW_MS,
      rollingCountBuckets: BUCKETS,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
    };
    this.#breaker = new CircuitBreaker((outcome: Promise<unknown>) => outcome, this.#options);
    this.#breaker.on('open', () => listeners.onOpen());
    this.#breaker.on('halfOpen', () => listeners.onHalfOpen());
    this.#breaker.on('close', () => listeners.onClose());
  }

  get state(): BreakerState {
    if (this.#breaker.opened) return 'open';
    return this.#breaker.halfOpen ? 'half-open' : 'closed';
  }

  get isClosed(): boolean {
    return this.#breaker.closed;
  }

  get isHalfOpen(): boolean {
    return this.#breaker.halfOpen;
  }

  get isOpen(): boolean {
    return this.#breaker.opened;
  }

  /** How long it rests when it opens next, in milliseconds. */
  get resetTimeoutMs(): number {
    return this.#options.resetTimeout;
  }

  set resetTimeoutMs(ms: number) {
    this.#options.resetTimeout = Math.max(1, ms);
  }

  /** Tells its window. It may open by the share of failures, a moment later. */
  report(outcome: 'success' | 'failure'): void {
    const ended = outcome === 'success' ? Promise.resolve() : Promise.reject(new Error('attempt failed'));
    this.#breaker.fire(ended).catch(() => undefined);
  }

  open(): void {
    this.#breaker.open();
  }

  close(): void {
    this.#breaker.close();
  }

  /** Stops its timers. */
  shutdown(): void {
    this.#breaker.shutdown();
    this.#breaker.removeAllListeners();
  }
}
