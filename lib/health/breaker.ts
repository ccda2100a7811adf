import type { ProbeLock } from '../cluster/health-reports/probe-lock';
import { type BreakerState, Circuit } from './circuit';
import type { BreakerOptions } from './options';

/** How an attempt ended, as the breaker sees it. A neutral end says nothing of the endpoint's health. */
export type Outcome = 'success' | 'failure' | 'neutral';

export type { BreakerState } from './circuit';

/** Allows one attempt through; its end must be told exactly once. */
export interface BreakerTicket {
  /**
   * Asked before it is sent: the turn that a probe has to wait for; undefined where it may be sent at once, as always
   * without a cluster. Resolves with false when it must not be sent: another process probes, or has just found out.
   * Never rejects.
   * @param probeMs The longest it may last.
   */
  acquireProbeLock(probeMs: number): Promise<boolean> | undefined;
  /** The answer has begun. A probe has told what it was asked: a long stream must not hold the breaker half-open. */
  started(): void;
  /** The first word counts: an attempt judged for its silence is not judged again when it ends. */
  end(outcome: Outcome): void;
}

/** Openings are spread over time, so that many processes don't probe at once. */
const JITTER = 0.25;

/**
 * Why it opened or closed: by what our own attempts showed; because its probe ended without showing anything; on the
 * word of another process; or by hand.
 */
export type BreakerCause = 'shown' | 'unknown' | 'told' | 'by-hand';

export interface BreakerListeners {
  /** @param stepMs The rest before jitter: a probe that fails doubles it. */
  onOpen?(openMs: number, cause: BreakerCause, stepMs: number): void;
  onHalfOpen?(): void;
  onClose?(cause: BreakerCause): void;
}

/** An opening that another process tells of has to end at least so much later to change one of our own. */
const MIN_EXTENSION_MS = 50;

/**
 * One opossum breaker behind our own rules. An attempt is told to it when it ends, not when it starts, because calls in
 * flight would thin its error share, a hung probe would leave it half-open for ever, and a neutral or a late end would
 * close it.
 */
export class Breaker {
  readonly #name: string;
  #circuit: Circuit;
  #options: BreakerOptions;
  readonly #listeners: BreakerListeners;
  readonly #random: () => number;
  readonly #turn: ProbeLock | undefined;
  #consecutive = 0;
  /** The rest of the next opening, before jitter. */
  #openMs = 0;
  #reopensAt = 0;
  #closedAt = -Infinity;
  #isProbing = false;
  /** A probe was let in that has to wait for its turn before it is sent. */
  #isProbeUnsent = false;
  #cause: BreakerCause = 'shown';
  /** It was open already when another's word opened it for longer: no change of state. */
  #isExtension = false;
  /** Counts openings and closings: an attempt that began before one says nothing of the time after it. */
  #epoch = 0;
  #isShutDown = false;

  constructor(
    name: string,
    options: BreakerOptions,
    listeners: BreakerListeners = {},
    random: () => number = Math.random,
    probeLock?: ProbeLock,
  ) {
    this.#turn = probeLock;
    this.#options = options;
    this.#listeners = listeners;
    this.#random = random;
    this.#name = name;
    this.#circuit = this.#createCircuit();
  }

  get state(): BreakerState {
    return this.#circuit.state;
  }

  /** Failures since the last success. */
  get consecutiveFailures(): number {
    return this.#consecutive;
  }

  /** Whether an attempt may go through now. While half-open, one probe at a time may, of all the cluster's. */
  get canEnter(): boolean {
    if (this.#isShutDown) return false;
    return (
      this.#circuit.isClosed || (this.#circuit.isHalfOpen && !this.#isProbing && !this.#turn?.isHeldByPeer)
    );
  }

  /** Milliseconds until a probe may go out; 0 unless open. */
  msUntilProbe(now: number): number {
    return this.#circuit.isOpen ? Math.max(0, this.#reopensAt - now) : 0;
  }

  /** 1 just after a recovery, falling to 0 over `rampMs`. */
  ramp(now: number): number {
    const { rampMs } = this.#options;
    if (rampMs === 0) return 0;
    return Math.min(1, Math.max(0, 1 - (now - this.#closedAt) / rampMs));
  }

  /** Lets an attempt through. Call only when it `admits`. */
  enter(): BreakerTicket {
    let probe = this.#circuit.isHalfOpen;
    if (probe) {
      this.#isProbing = true;
      this.#isProbeUnsent = this.#turn !== undefined;
    }
    let epoch = this.#epoch;
    let ended = false;
    return {
      acquireProbeLock: (probeMs) => {
        const probeLock = this.#turn;
        if (!probe || !probeLock || ended) return undefined;
        if (epoch !== this.#epoch) return this.#isClosed ? undefined : Promise.resolve(false);
        this.#isProbeUnsent = false;
        return this.#acquireProbeLock(probeLock, probeMs);
      },
      started: () => {
        if (!probe || ended || epoch !== this.#epoch) return;
        this.#finishProbe('success');
        // From here on an attempt like any other.
        probe = false;
        epoch = this.#epoch;
      },
      end: (outcome) => {
        if (ended) return;
        ended = true;
        if (epoch !== this.#epoch) return;
        if (probe && this.#isProbeUnsent && outcome === 'neutral') {
          this.#abandonProbe();
        } else if (probe) {
          this.#finishProbe(outcome);
        } else if (this.#circuit.isClosed) {
          this.#recordAttempt(outcome);
        }
      },
    };
  }

  /** Takes new options; its state stays. The window's thresholds change with the next closing. */
  configure(options: BreakerOptions): void {
    this.#options = options;
  }

  /** Opens it now, whatever the window says: our own attempts have shown enough. */
  open(): void {
    this.#cause = 'shown';
    this.#circuit.open();
  }

  /**
   * Opens it for so long on another process's word, or keeps it open for longer. It counts as no failure of ours. The
   * rest is at most the next of our own: what we have no evidence of doesn't start with the longest.
   * False where it changes nothing: our own probe is under way and will tell, or it is open for as long already.
   */
  openOnReport(openMs: number, stepMs: number): boolean {
    if (this.#isShutDown || this.#isProbeSent) return false;
    const { resetTimeoutMs, maxResetTimeoutMs } = this.#options;
    const maxOpenMs = this.#circuit.isClosed ? resetTimeoutMs : Math.min(maxResetTimeoutMs, this.#openMs * 2);
    const cappedMs = Math.min(maxOpenMs, Math.max(1, openMs));
    const isExtension = this.#circuit.isOpen;
    if (isExtension && performance.now() + cappedMs <= this.#reopensAt + MIN_EXTENSION_MS) return false;
    const minStepMs = this.#circuit.isClosed ? resetTimeoutMs : this.#openMs;
    const step = Math.min(maxOpenMs, Math.max(minStepMs, stepMs));
    // opossum sets its timer only when it opens anew.
    if (isExtension) this.#replaceCircuit();
    this.#openMs = step;
    this.#circuit.resetTimeoutMs = cappedMs;
    this.#isExtension = isExtension;
    this.#cause = 'told';
    this.#circuit.open();
    return true;
  }

  /** Closes it on another process's word. False where it is closed. */
  closeOnReport(): boolean {
    if (this.#isShutDown || this.#circuit.isClosed) return false;
    this.#close('told');
    return true;
  }

  /** Closes it now and forgets what opened it. */
  close(): void {
    this.#close('by-hand');
  }

  /** Stops its timers. It lets nothing through afterwards. */
  shutdown(): void {
    this.#isShutDown = true;
    this.#epoch++;
    this.#turn?.release();
    this.#circuit.shutdown();
  }

  #recordAttempt(outcome: Outcome): void {
    if (outcome === 'neutral') return;
    this.#circuit.report(outcome);
    if (outcome === 'success') {
      this.#consecutive = 0;
      return;
    }
    this.#consecutive++;
    if (this.#consecutive >= this.#options.consecutiveFailures) this.#circuit.open();
  }

  get #isClosed(): boolean {
    return !this.#isShutDown && this.#circuit.isClosed;
  }

  get #isProbeSent(): boolean {
    return this.#isProbing && !this.#isProbeUnsent && !this.#turn?.isAcquiring;
  }

  async #acquireProbeLock(probeLock: ProbeLock, probeMs: number): Promise<boolean> {
    const epoch = this.#epoch;
    const isOurs = await probeLock.acquire(probeMs);
    // What has closed meanwhile may be asked like any other.
    if (epoch !== this.#epoch) return this.#isClosed;
    if (isOurs) return true;
    this.#abandonProbe();
    return false;
  }

  /** The probe was not sent, so that its end says nothing: the next one may ask. */
  #abandonProbe(): void {
    this.#epoch++;
    this.#isProbing = false;
    this.#isProbeUnsent = false;
  }

  #finishProbe(outcome: Outcome): void {
    this.#isProbing = false;
    if (outcome === 'success') {
      this.#close('shown');
      return;
    }
    if (outcome === 'failure') {
      this.#cause = 'shown';
      this.#consecutive++;
      this.#setResetTimeout(Math.min(this.#options.maxResetTimeoutMs, this.#openMs * 2));
    } else {
      // Nothing was learnt: rest as long as before, then probe again.
      this.#cause = 'unknown';
      this.#setResetTimeout(this.#openMs);
    }
    this.#circuit.open();
  }

  #setResetTimeout(ms: number): void {
    this.#openMs = ms;
    this.#circuit.resetTimeoutMs = this.#withJitter(ms);
  }

  #close(cause: BreakerCause): void {
    this.#consecutive = 0;
    if (this.#circuit.isClosed) return;
    this.#cause = cause;
    this.#circuit.close();
  }

  #onOpened(): void {
    const { resetTimeoutMs: resetTimeoutMs } = this.#circuit;
    this.#reopensAt = performance.now() + resetTimeoutMs;
    const isExtension = this.#isExtension;
    this.#isExtension = false;
    this.#onTransition((cause) => {
      if (!isExtension) this.#listeners.onOpen?.(resetTimeoutMs, cause, this.#openMs);
    });
  }

  #onClosed(): void {
    this.#closedAt = performance.now();
    this.#replaceCircuit();
    this.#onTransition((cause) => this.#listeners.onClose?.(cause));
  }

  /** It has another state: what began before is of the past. */
  #onTransition(notify: (cause: BreakerCause) => void): void {
    const cause = this.#cause;
    this.#cause = 'shown';
    this.#epoch++;
    this.#isProbing = false;
    this.#isProbeUnsent = false;
    notify(cause);
    // The turn goes back after the news of what the probe has shown went out: who has the next one knows.
    this.#turn?.release();
  }

  #replaceCircuit(): void {
    this.#circuit.shutdown();
    this.#circuit = this.#createCircuit();
  }

  #createCircuit(): Circuit {
    const circuit = new Circuit(this.#name, this.#options, {
      onOpen: () => this.#onOpened(),
      onHalfOpen: () => this.#listeners.onHalfOpen?.(),
      onClose: () => this.#onClosed(),
    });
    this.#openMs = this.#options.resetTimeoutMs;
    circuit.resetTimeoutMs = this.#withJitter(this.#openMs);
    return circuit;
  }

  #withJitter(ms: number): number {
    return ms * (1 - JITTER * this.#random());
  }
}
