import type { ProbeLock } from '../cluster/health-reports/probe-lock';
import type {
  BreakerCause,
  BreakerPhase,
  BreakerState,
  BreakerTicket,
  BreakerTransition,
  ClosedPhase,
  HalfOpenPhase,
  OpenPhase,
  Outcome,
  Probe,
} from './breaker-types';
import { Circuit } from './circuit';
import type { BreakerOptions } from './options';

export interface BreakerParts {
  readonly name: string;
  readonly options: BreakerOptions;
  /** Called once after each change of state. */
  readonly onTransition?: (transition: BreakerTransition) => void;
  /** Returns a number from 0 to 1. Default: `Math.random`. */
  readonly random?: () => number;
  /** The cluster's probe lock; undefined without a cluster. */
  readonly probeLock?: ProbeLock | undefined;
}

/**
 * While the breaker is open, a probe may be sent alongside a call that another endpoint serves. The time since the
 * opening or the previous such probe must exceed a gap drawn uniformly from this range, in milliseconds.
 */
const MIN_PROBE_GAP_MS = 1_000;
const MAX_PROBE_GAP_MS = 3_000;
/** Each opening is shortened by a random share of up to this, so that many processes don't probe at the same moment. */
const JITTER = 0.25;
/** A reported opening extends the current one only if it ends later by more than this, in milliseconds. */
const MIN_EXTENSION_MS = 50;

/**
 * The breaker of one endpoint: additional rules on top of opossum. An attempt is reported when it ends, not when it
 * starts: with opossum's own `fire()` around the attempt, calls in flight would dilute the failure rate, a hung probe
 * would keep the breaker half-open forever, and a neutral or late end would close it.
 */
export class Breaker {
  readonly #circuit: Circuit;
  readonly #parts: BreakerParts;
  readonly #probeLock: ProbeLock | undefined;
  #options: BreakerOptions;
  #state: BreakerPhase;

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

  /** Whether an attempt may be sent now. While half-open, only one probe at a time may be sent in the whole cluster. */
  get canEnter(): boolean {
    const state = this.#state;
    if (state.kind === 'closed') return true;
    return state.kind === 'half-open' && !state.probe && !this.#probeLock?.isHeldByPeer;
  }

  /** Whether a probe may be sent now alongside a call that another endpoint serves, even before the opening ends. */
  canProbeBeside(now: number): boolean {
    const state = this.#state;
    if (state.kind !== 'open' && state.kind !== 'half-open') return false;
    return !state.probe && now >= state.besideAt && !this.#probeLock?.isHeldByPeer;
  }

  /** Milliseconds until the breaker becomes half-open and a call may be the probe; 0 unless open. */
  msUntilProbe(now: number): number {
    return this.#state.kind === 'open' ? Math.max(0, this.#state.until - now) : 0;
  }

  /** State of the slow start: 1 just after a recovery, falling to 0 over `rampMs`. */
  ramp(now: number): number {
    const { rampMs } = this.#options;
    if (this.#state.kind !== 'closed' || rampMs === 0) return 0;
    return Math.min(1, Math.max(0, 1 - (now - this.#state.since) / rampMs));
  }

  /** Admits an attempt. Call it only if `canEnter` or `canProbeBeside` is true. */
  enter(): BreakerTicket {
    const probe = this.#startProbe();
    let began = this.#state;
    let isEnded = false;
    return {
      isProbe: probe !== undefined,
      acquireProbeLock: (probeMs) => {
        if (!probe || !this.#probeLock || isEnded) return undefined;
        if (!this.#stateOf(probe)) return this.#state.kind === 'closed' ? undefined : Promise.resolve(false);
        return this.#acquireProbeLock(probe, this.#probeLock, probeMs);
      },
      started: () => {
        if (isEnded || !this.#stateOf(probe)) return;
        this.#close('observed');
        // From now on this attempt counts like any other.
        began = this.#state;
      },
      end: (outcome) => {
        if (isEnded) return;
        isEnded = true;
        const probed = this.#stateOf(probe);
        if (probed) this.#endProbe(probed, outcome);
        else if (began === this.#state && began.kind === 'closed') this.#recordAttempt(began, outcome);
      },
    };
  }

  /** Applies new options and keeps the state. The thresholds of the window change the next time the breaker closes. */
  configure(options: BreakerOptions): void {
    this.#options = options;
  }

  /** Opens the breaker now, on the evidence of attempts of this process. */
  open(): void {
    const state = this.#state;
    if (state.kind === 'closed' || state.kind === 'half-open')
      this.#open(state.openMs, state.stepMs, 'observed');
  }

  /**
   * Opens the breaker, or keeps it open for longer, because of a peer's report. It stays open for at most as long as
   * after the next failure that this process observes itself, so that a report alone can't open it for the maximum
   * time.
   * @returns False if nothing changes, because this process has already sent a probe or the breaker is already open for
   *   as long.
   */
  openOnReport(openMs: number, stepMs: number): boolean {
    const state = this.#state;
    if (state.kind === 'shut-down') return false;
    if (state.kind !== 'closed' && state.probe?.stage === 'sent') return false;
    const { resetTimeoutMs, maxResetTimeoutMs } = this.#options;
    const isClosed = state.kind === 'closed';
    const maxMs = isClosed ? resetTimeoutMs : Math.min(maxResetTimeoutMs, state.stepMs * 2);
    const cappedMs = Math.min(maxMs, Math.max(1, openMs));
    if (state.kind === 'open' && performance.now() + cappedMs <= state.until + MIN_EXTENSION_MS) return false;
    const minStepMs = isClosed ? resetTimeoutMs : state.stepMs;
    this.#open(cappedMs, Math.min(maxMs, Math.max(minStepMs, stepMs)), 'reported');
    return true;
  }

  /**
   * Closes the breaker because of a peer's report.
   * @returns False if it is already closed.
   */
  closeOnReport(): boolean {
    if (this.#state.kind === 'closed' || this.#state.kind === 'shut-down') return false;
    this.#close('reported');
    return true;
  }

  /** Takes back one failure that turned out to be the fault of the request. */
  takeBackFailure(): void {
    const state = this.#state;
    if (state.kind !== 'closed') return;
    state.consecutiveFailures = Math.max(0, state.consecutiveFailures - 1);
    // opossum's window can't drop an entry. A success next to it leaves the failure rate nearly as it was before.
    this.#circuit.report('success');
  }

  /** Closes the breaker now and forgets its failures. */
  close(): void {
    if (this.#state.kind === 'closed') this.#state.consecutiveFailures = 0;
    else if (this.#state.kind !== 'shut-down') this.#close('manual');
  }

  /** Stops the breaker's timers. No attempt is admitted afterwards. */
  shutdown(): void {
    this.#state = { kind: 'shut-down', last: this.state };
    this.#probeLock?.release();
    this.#circuit.shutdown();
  }

  #recordAttempt(state: ClosedPhase, outcome: Outcome): void {
    if (outcome === 'neutral') return;
    this.#circuit.report(outcome);
    if (outcome === 'success') {
      state.consecutiveFailures = 0;
      return;
    }
    state.consecutiveFailures++;
    if (state.consecutiveFailures >= this.#options.consecutiveFailures) this.open();
  }

  #startProbe(): Probe | undefined {
    const state = this.#state;
    if (state.kind !== 'open' && state.kind !== 'half-open') return undefined;
    const probe: Probe = { stage: this.#probeLock ? 'admitted' : 'sent' };
    this.#state = { ...state, probe, besideAt: this.#nextBesideAt() };
    return probe;
  }

  /** The state to which the probe belongs; undefined if it is no longer the current probe. */
  #stateOf(probe: Probe | undefined): OpenPhase | HalfOpenPhase | undefined {
    const state = this.#state;
    if (!probe || (state.kind !== 'open' && state.kind !== 'half-open')) return undefined;
    return state.probe === probe ? state : undefined;
  }

  #endProbe(state: OpenPhase | HalfOpenPhase, outcome: Outcome): void {
    if (outcome === 'success') this.#close('observed');
    else if (state.probe?.stage === 'admitted' && outcome === 'neutral') this.#abandonProbe(state);
    else if (state.kind === 'open') {
      // The probe was sent before the opening ended, so it neither extends this opening nor doubles the next one.
      this.#abandonProbe(state);
      this.#probeLock?.release();
    } else if (outcome === 'failure') {
      const stepMs = Math.min(this.#options.maxResetTimeoutMs, state.stepMs * 2);
      this.#open(this.#withJitter(stepMs), stepMs, 'observed');
    } else this.#open(this.#withJitter(state.stepMs), state.stepMs, 'inconclusive');
  }

  async #acquireProbeLock(probe: Probe, lock: ProbeLock, probeMs: number): Promise<boolean> {
    probe.stage = 'locking';
    const isOurs = await lock.acquire(probeMs);
    const state = this.#stateOf(probe);
    if (!state) return this.#state.kind === 'closed';
    if (isOurs) probe.stage = 'sent';
    else this.#abandonProbe(state);
    return isOurs;
  }

  /** Gives up the current probe, so that the next attempt can become the probe. */
  #abandonProbe(state: OpenPhase | HalfOpenPhase): void {
    this.#state = { ...state, probe: undefined };
  }

  #open(openMs: number, stepMs: number, cause: BreakerCause): void {
    const isExtension = this.#state.kind === 'open';
    const until = performance.now() + openMs;
    this.#state = { kind: 'open', until, stepMs, probe: undefined, besideAt: this.#nextBesideAt() };
    this.#circuit.open(openMs);
    if (!isExtension) this.#parts.onTransition?.({ to: 'open', cause, openMs, stepMs });
    // Released after the transition was reported, so that the process that gets the lock next already knows the
    // outcome.
    this.#probeLock?.release();
  }

  #close(cause: BreakerCause): void {
    const closed = this.#closedState(performance.now());
    this.#state = closed;
    this.#circuit.reset(this.#options, closed.openMs);
    this.#parts.onTransition?.({ to: 'closed', cause });
    this.#probeLock?.release();
  }

  /**
   * Handles an opening of the circuit. If the state is still closed, the circuit's own window of outcomes has opened
   * it.
   */
  #onCircuitOpened(): void {
    const state = this.#state;
    if (state.kind === 'closed') this.#open(state.openMs, state.stepMs, 'observed');
  }

  #onCircuitHalfOpen(): void {
    const state = this.#state;
    if (state.kind !== 'open') return;
    const { stepMs, probe, besideAt } = state;
    this.#state = { kind: 'half-open', stepMs, openMs: this.#withJitter(stepMs), probe, besideAt };
    this.#parts.onTransition?.({ to: 'half-open' });
  }

  #closedState(since: number): ClosedPhase {
    const stepMs = this.#options.resetTimeoutMs;
    const openMs = Math.max(1, this.#withJitter(stepMs));
    return { kind: 'closed', since, openMs, stepMs, consecutiveFailures: 0 };
  }

  #nextBesideAt(): number {
    const gapMs = MIN_PROBE_GAP_MS + (MAX_PROBE_GAP_MS - MIN_PROBE_GAP_MS) * this.#random();
    return performance.now() + gapMs;
  }

  #withJitter(ms: number): number {
    return ms * (1 - JITTER * this.#random());
  }

  #random(): number {
    return (this.#parts.random ?? Math.random)();
  }
}
