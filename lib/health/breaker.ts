import type { ProbeLock } from '../cluster/health-reports/probe-lock';
import type { BreakerCause, BreakerState, BreakerTicket, BreakerTransition, Outcome } from './breaker-types';
import { Circuit } from './circuit';
import type { BreakerOptions } from './options';

export interface BreakerParts {
  readonly name: string;
  readonly options: BreakerOptions;
  /** Called once for each change of state, after it. */
  readonly onTransition?: (transition: BreakerTransition) => void;
  /** Between 0 and 1. Default: `Math.random`. */
  readonly random?: () => number;
  /** With a cluster only. */
  readonly probeLock?: ProbeLock | undefined;
}

/** Each opening is shorter by up to this share, so that many processes don't probe at the same moment. */
const JITTER = 0.25;
/** A reported opening must end this much later than the current one to extend it, in milliseconds. */
const MIN_EXTENSION_MS = 50;

/**
 * An attempt belongs to the state object during which it began: once that object is replaced, the attempt says nothing
 * about the endpoint any more.
 */
type State =
  | {
      readonly kind: 'closed';
      readonly since: number;
      /** How long the next opening lasts, with and without jitter. */
      readonly openMs: number;
      readonly stepMs: number;
      consecutiveFailures: number;
    }
  | { readonly kind: 'open'; readonly until: number; readonly stepMs: number }
  | {
      readonly kind: 'half-open';
      readonly openMs: number;
      readonly stepMs: number;
      /** 'admitted' until it asks for the probe lock, 'locking' until it has it. */
      probe: 'none' | 'admitted' | 'locking' | 'sent';
    }
  | { readonly kind: 'shut-down'; readonly last: BreakerState };
type ClosedState = State & { kind: 'closed' };
type HalfOpenState = State & { kind: 'half-open' };

/**
 * The breaker of one endpoint: our own rules in front of opossum. An attempt is reported when it ends, not when it
 * starts: with opossum's own `fire()` around the attempt, calls in flight would dilute the failure rate, a hung probe
 * would keep the breaker half-open for ever, and a neutral or late end would close it.
 */
export class Breaker {
  readonly #circuit: Circuit;
  readonly #parts: BreakerParts;
  readonly #probeLock: ProbeLock | undefined;
  #options: BreakerOptions;
  #state: State;

  constructor(parts: BreakerParts) {
    this.#parts = parts;
    this.#probeLock = parts.probeLock;
    this.#options = parts.options;
    const closed = this.#closedState(-Infinity);
    this.#state = closed;
    this.#circuit = new Circuit(parts.name, parts.options, closed.openMs, {
      onOpen: () => this.#onCircuitOpened(),
      onHalfOpen: () => this.#onCircuitHalfOpen(),
    });
  }

  get state(): BreakerState {
    return this.#state.kind === 'shut-down' ? this.#state.last : this.#state.kind;
  }

  /** Whether an attempt may go through now. While half-open, one probe at a time may, in the whole cluster. */
  get canEnter(): boolean {
    const state = this.#state;
    if (state.kind === 'closed') return true;
    return state.kind === 'half-open' && state.probe === 'none' && !this.#probeLock?.isHeldByPeer;
  }

  /** Milliseconds until a probe may be sent; 0 unless open. */
  msUntilProbe(now: number): number {
    return this.#state.kind === 'open' ? Math.max(0, this.#state.until - now) : 0;
  }

  /** Slow start: 1 just after a recovery, falling to 0 over `rampMs`. */
  ramp(now: number): number {
    const { rampMs } = this.#options;
    if (this.#state.kind !== 'closed' || rampMs === 0) return 0;
    return Math.min(1, Math.max(0, 1 - (now - this.#state.since) / rampMs));
  }

  /** Lets an attempt through. Call it only if `canEnter`. */
  enter(): BreakerTicket {
    let state = this.#state;
    if (state.kind === 'half-open') state.probe = this.#probeLock ? 'admitted' : 'sent';
    let isEnded = false;
    return {
      isProbe: state.kind === 'half-open',
      acquireProbeLock: (probeMs) => {
        if (state.kind !== 'half-open' || !this.#probeLock || isEnded) return undefined;
        if (state !== this.#state) return this.#state.kind === 'closed' ? undefined : Promise.resolve(false);
        return this.#acquireProbeLock(state, this.#probeLock, probeMs);
      },
      started: () => {
        if (state.kind !== 'half-open' || isEnded || state !== this.#state) return;
        this.#close('observed');
        // From here on it is an attempt like any other.
        state = this.#state;
      },
      end: (outcome) => {
        if (isEnded) return;
        isEnded = true;
        if (state !== this.#state) return;
        if (state.kind === 'half-open') this.#endProbe(state, outcome);
        else if (state.kind === 'closed') this.#recordAttempt(state, outcome);
      },
    };
  }

  /** Takes new options and keeps its state. The window's thresholds change when it closes next. */
  configure(options: BreakerOptions): void {
    this.#options = options;
  }

  /** Opens it now: attempts of this process have shown enough. */
  open(): void {
    const state = this.#state;
    if (state.kind === 'closed' || state.kind === 'half-open')
      this.#open(state.openMs, state.stepMs, 'observed');
  }

  /**
   * Opens it because a peer reports so, or keeps it open for longer. It opens for at most as long as it would by itself:
   * without evidence of its own it doesn't start with the longest time.
   * @returns False if nothing changes: its own probe is on its way, or it is open for as long already.
   */
  openOnReport(openMs: number, stepMs: number): boolean {
    const state = this.#state;
    if (state.kind === 'shut-down' || (state.kind === 'half-open' && state.probe === 'sent')) return false;
    const { resetTimeoutMs, maxResetTimeoutMs } = this.#options;
    const isClosed = state.kind === 'closed';
    const maxMs = isClosed ? resetTimeoutMs : Math.min(maxResetTimeoutMs, state.stepMs * 2);
    const cappedMs = Math.min(maxMs, Math.max(1, openMs));
    if (state.kind === 'open' && performance.now() + cappedMs <= state.until + MIN_EXTENSION_MS) return false;
    const minStepMs = isClosed ? resetTimeoutMs : state.stepMs;
    this.#open(cappedMs, Math.min(maxMs, Math.max(minStepMs, stepMs)), 'reported');
    return true;
  }

  /** Closes it because a peer reports so. @returns False if it is closed already. */
  closeOnReport(): boolean {
    if (this.#state.kind === 'closed' || this.#state.kind === 'shut-down') return false;
    this.#close('reported');
    return true;
  }

  /** Takes back one failure that turned out to be the fault of a request. */
  takeBackFailure(): void {
    const state = this.#state;
    if (state.kind !== 'closed') return;
    state.consecutiveFailures = Math.max(0, state.consecutiveFailures - 1);
    // opossum's window can't drop an entry: a success beside it leaves the rate of the others nearly as it was.
    this.#circuit.report('success');
  }

  /** Closes it now and forgets its failures. */
  close(): void {
    if (this.#state.kind === 'closed') this.#state.consecutiveFailures = 0;
    else if (this.#state.kind !== 'shut-down') this.#close('manual');
  }

  /** Stops its timers. It lets nothing through afterwards. */
  shutdown(): void {
    this.#state = { kind: 'shut-down', last: this.state };
    this.#probeLock?.release();
    this.#circuit.shutdown();
  }

  #recordAttempt(state: ClosedState, outcome: Outcome): void {
    if (outcome === 'neutral') return;
    this.#circuit.report(outcome);
    if (outcome === 'success') {
      state.consecutiveFailures = 0;
      return;
    }
    state.consecutiveFailures++;
    if (state.consecutiveFailures >= this.#options.consecutiveFailures) this.open();
  }

  #endProbe(state: HalfOpenState, outcome: Outcome): void {
    if (outcome === 'success') this.#close('observed');
    else if (outcome === 'failure') {
      const stepMs = Math.min(this.#options.maxResetTimeoutMs, state.stepMs * 2);
      this.#open(this.#withJitter(stepMs), stepMs, 'observed');
    } else if (state.probe === 'admitted') this.#abandonProbe(state);
    else this.#open(this.#withJitter(state.stepMs), state.stepMs, 'inconclusive');
  }

  async #acquireProbeLock(state: HalfOpenState, lock: ProbeLock, probeMs: number): Promise<boolean> {
    state.probe = 'locking';
    const isOurs = await lock.acquire(probeMs);
    if (state !== this.#state) return this.#state.kind === 'closed';
    if (isOurs) state.probe = 'sent';
    else this.#abandonProbe(state);
    return isOurs;
  }

  /** The probe was not sent, so its end says nothing. The next attempt may become the probe. */
  #abandonProbe(state: HalfOpenState): void {
    this.#state = { ...state, probe: 'none' };
  }

  #open(openMs: number, stepMs: number, cause: BreakerCause): void {
    const isExtension = this.#state.kind === 'open';
    this.#state = { kind: 'open', until: performance.now() + openMs, stepMs };
    this.#circuit.open(openMs);
    if (!isExtension) this.#parts.onTransition?.({ to: 'open', cause, openMs, stepMs });
    // Released after the report of what the probe has shown: the process that gets the lock next knows it.
    this.#probeLock?.release();
  }

  #close(cause: BreakerCause): void {
    const closed = this.#closedState(performance.now());
    this.#state = closed;
    this.#circuit.reset(this.#options, closed.openMs);
    this.#parts.onTransition?.({ to: 'closed', cause });
    this.#probeLock?.release();
  }

  /** Only the window opens it while the state is closed. */
  #onCircuitOpened(): void {
    const state = this.#state;
    if (state.kind === 'closed') this.#open(state.openMs, state.stepMs, 'observed');
  }

  #onCircuitHalfOpen(): void {
    const state = this.#state;
    if (state.kind !== 'open') return;
    const { stepMs } = state;
    this.#state = { kind: 'half-open', stepMs, openMs: this.#withJitter(stepMs), probe: 'none' };
    this.#parts.onTransition?.({ to: 'half-open' });
  }

  #closedState(since: number): ClosedState {
    const stepMs = this.#options.resetTimeoutMs;
    const openMs = Math.max(1, this.#withJitter(stepMs));
    return { kind: 'closed', since, openMs, stepMs, consecutiveFailures: 0 };
  }

  #withJitter(ms: number): number {
    const { random = Math.random } = this.#parts;
    return ms * (1 - JITTER * random());
  }
}
