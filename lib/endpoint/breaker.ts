import CircuitBreaker from 'opossum';
import type { BreakerOptions } from './options';

/** How an attempt ended, as the breaker sees it. A neutral end says nothing of the endpoint's health. */
export type Outcome = 'success' | 'failure' | 'neutral';

export type BreakerState = 'closed' | 'open' | 'half-open';

/** Allows one attempt through; its end must be told exactly once. */
export interface BreakerTicket {
  /** The answer has begun. A probe has told what it was asked: a long stream must not hold the breaker half-open. */
  begun(): void;
  /** The first word counts: an attempt judged for its silence is not judged again when it ends. */
  end(outcome: Outcome): void;
}

const WINDOW_MS = 30_000;
const BUCKETS = 10;
/** Openings are spread over time, so that many processes don't probe at once. */
const JITTER = 0.25;

export interface BreakerListeners {
  onOpen?(restMs: number): void;
  onHalfOpen?(): void;
  onClose?(): void;
}

/**
 * One opossum breaker behind our own rules. opossum keeps the state, the window and the timer; an attempt is told to
 * it when it ends, not when it starts, because calls in flight would thin its error share, a hung probe would leave it
 * half-open for ever, and a neutral or a late end would close it.
 */
export class Breaker {
  readonly #name: string;
  #breaker: CircuitBreaker<[Promise<unknown>]>;
  /** opossum reads `resetTimeout` from this very object each time it opens. */
  #opossum: CircuitBreaker.Options<[Promise<unknown>]>;
  #options: BreakerOptions;
  readonly #listeners: BreakerListeners;
  readonly #random: () => number;
  #consecutive = 0;
  /** The rest of the next opening, before jitter. */
  #restMs = 0;
  #reopensAt = 0;
  #closedAt = -Infinity;
  #probing = false;
  /** Counts openings and closings: an attempt that began before one says nothing of the time after it. */
  #epoch = 0;
  #shut = false;

  constructor(
    name: string,
    options: BreakerOptions,
    listeners: BreakerListeners = {},
    random: () => number = Math.random,
  ) {
    this.#options = options;
    this.#listeners = listeners;
    this.#random = random;
    this.#name = name;
    this.#opossum = this.#opossumOptions();
    this.#breaker = this.#fresh();
  }

  get state(): BreakerState {
    if (this.#breaker.opened) return 'open';
    return this.#breaker.halfOpen ? 'half-open' : 'closed';
  }

  /** Failures since the last success. */
  get consecutiveFailures(): number {
    return this.#consecutive;
  }

  /** Whether an attempt may go through now. While half-open, one probe at a time may. */
  get admits(): boolean {
    return !this.#shut && (this.#breaker.closed || (this.#breaker.halfOpen && !this.#probing));
  }

  /** Milliseconds until a probe may go out; 0 unless open. */
  opensInMs(now: number): number {
    return this.#breaker.opened ? Math.max(0, this.#reopensAt - now) : 0;
  }

  /** 1 just after a recovery, falling to 0 over `rampMs`. */
  ramp(now: number): number {
    const { rampMs } = this.#options;
    if (rampMs === 0) return 0;
    return Math.min(1, Math.max(0, 1 - (now - this.#closedAt) / rampMs));
  }

  /** Lets an attempt through. Call only when it `admits`. */
  enter(): BreakerTicket {
    let probe = this.#breaker.halfOpen;
    if (probe) this.#probing = true;
    let epoch = this.#epoch;
    let ended = false;
    return {
      begun: () => {
        if (!probe || ended || epoch !== this.#epoch) return;
        this.#probeEnded('success');
        // From here on an attempt like any other.
        probe = false;
        epoch = this.#epoch;
      },
      end: (outcome) => {
        if (ended) return;
        ended = true;
        if (epoch !== this.#epoch) return;
        if (probe) {
          this.#probeEnded(outcome);
        } else if (this.#breaker.closed) {
          this.#attemptEnded(outcome);
        }
      },
    };
  }

  /** Takes new options; its state stays. The window's thresholds change with the next closing. */
  configure(options: BreakerOptions): void {
    this.#options = options;
  }

  /** Opens it now, whatever the window says. */
  open(): void {
    this.#breaker.open();
  }

  /** Closes it now and forgets what opened it. */
  close(): void {
    this.#consecutive = 0;
    this.#breaker.close();
  }

  /** Stops its timers. It lets nothing through afterwards. */
  shutdown(): void {
    this.#shut = true;
    this.#epoch++;
    this.#breaker.shutdown();
    this.#breaker.removeAllListeners();
  }

  #attemptEnded(outcome: Outcome): void {
    if (outcome === 'neutral') return;
    this.#report(outcome);
    if (outcome === 'success') {
      this.#consecutive = 0;
      return;
    }
    this.#consecutive++;
    if (this.#consecutive >= this.#options.consecutiveFailures) this.#breaker.open();
  }

  #probeEnded(outcome: Outcome): void {
    this.#probing = false;
    if (outcome === 'success') {
      this.#consecutive = 0;
      this.#breaker.close();
      return;
    }
    if (outcome === 'failure') {
      this.#consecutive++;
      this.#prepareRest(Math.min(this.#options.maxResetTimeoutMs, this.#restMs * 2));
    } else {
      // Nothing was learnt: rest as long as before, then probe again.
      this.#prepareRest(this.#restMs);
    }
    this.#breaker.open();
  }

  /** Tells opossum's window. It may open the breaker by the share of failures. */
  #report(outcome: 'success' | 'failure'): void {
    const ended = outcome === 'success' ? Promise.resolve() : Promise.reject(new Error('attempt failed'));
    this.#breaker.fire(ended).catch(() => undefined);
  }

  #prepareRest(ms: number): void {
    this.#restMs = ms;
    this.#opossum.resetTimeout = Math.max(1, ms * (1 - JITTER * this.#random()));
  }

  #opened(): void {
    this.#epoch++;
    this.#probing = false;
    const restMs = this.#opossum.resetTimeout ?? this.#options.resetTimeoutMs;
    this.#reopensAt = performance.now() + restMs;
    this.#listeners.onOpen?.(restMs);
  }

  #closed(): void {
    this.#epoch++;
    this.#probing = false;
    this.#closedAt = performance.now();
    this.#breaker.shutdown();
    // opossum keeps its window when it closes: the first failure after a recovery would be judged by the outage.
    this.#opossum = this.#opossumOptions();
    this.#breaker = this.#fresh();
    this.#listeners.onClose?.();
  }

  #opossumOptions(): CircuitBreaker.Options<[Promise<unknown>]> {
    return {
      name: this.#name,
      timeout: false,
      volumeThreshold: this.#options.volumeThreshold,
      errorThresholdPercentage: this.#options.errorThresholdPercentage,
      rollingCountTimeout: WINDOW_MS,
      rollingCountBuckets: BUCKETS,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
    };
  }

  #fresh(): CircuitBreaker<[Promise<unknown>]> {
    this.#prepareRest(this.#options.resetTimeoutMs);
    const breaker = new CircuitBreaker((outcome: Promise<unknown>) => outcome, this.#opossum);
    breaker.on('open', () => this.#opened());
    breaker.on('halfOpen', () => this.#listeners.onHalfOpen?.());
    breaker.on('close', () => this.#closed());
    return breaker;
  }
}
