import CircuitBreaker from 'opossum';
import type { BreakerOptions } from './options';

const WINDOW_MS = 30_000;
const BUCKETS = 10;

interface CircuitListeners {
  /** Called when the circuit has opened, either because of its window or by `open()`. */
  onOpen(): void;
  onHalfOpen(): void;
}

type CircuitOptions = CircuitBreaker.Options<[Promise<unknown>]> & { resetTimeout: number };

/**
 * The opossum breaker behind one `Breaker`: it holds the window of outcomes and the timer until half-open. Outcomes are
 * reported when attempts end; the attempts themselves are not wrapped.
 */
export class Circuit {
  readonly #name: string;
  readonly #listeners: CircuitListeners;
  /** opossum reads `resetTimeout` from this very object each time it opens. */
  #options: CircuitOptions;
  #breaker: CircuitBreaker<[Promise<unknown>]>;

  /** @param openMs How long the circuit stays open, in milliseconds, if its window opens it. */
  constructor(name: string, options: BreakerOptions, openMs: number, listeners: CircuitListeners) {
    this.#name = name;
    this.#listeners = listeners;
    this.#options = this.#optionsFor(options, openMs);
    this.#breaker = this.#create();
  }

  /** Adds an outcome to the window. The window may open the circuit a moment later. */
  report(outcome: 'success' | 'failure'): void {
    const ended = outcome === 'success' ? Promise.resolve() : Promise.reject(new Error('attempt failed'));
    this.#breaker.fire(ended).catch(() => undefined);
  }

  /** Opens the circuit for `openMs` milliseconds from now, whatever its state. */
  open(openMs: number): void {
    // opossum starts its timer only when it changes to open.
    if (this.#breaker.opened) this.#replace();
    this.#options.resetTimeout = Math.max(1, openMs);
    this.#breaker.open();
  }

  /**
   * Closes the circuit with an empty window. opossum keeps its window when it closes, so failures of the outage would
   * still count after the recovery.
   */
  reset(options: BreakerOptions, openMs: number): void {
    this.#options = this.#optionsFor(options, openMs);
    this.#replace();
  }

  /** Stops the circuit's timers and removes its listeners. */
  shutdown(): void {
    this.#breaker.shutdown();
    this.#breaker.removeAllListeners();
  }

  #replace(): void {
    this.shutdown();
    this.#breaker = this.#create();
  }

  #create(): CircuitBreaker<[Promise<unknown>]> {
    const breaker = new CircuitBreaker((outcome: Promise<unknown>) => outcome, this.#options);
    breaker.on('open', () => this.#listeners.onOpen());
    breaker.on('halfOpen', () => this.#listeners.onHalfOpen());
    return breaker;
  }

  #optionsFor({ volumeThreshold, errorThresholdPercentage }: BreakerOptions, openMs: number): CircuitOptions {
    return {
      name: this.#name,
      timeout: false,
      volumeThreshold,
      errorThresholdPercentage,
      resetTimeout: Math.max(1, openMs),
      rollingCountTimeout: WINDOW_MS,
      rollingCountBuckets: BUCKETS,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
    };
  }
}
