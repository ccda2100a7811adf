import { startTimer, type Timer } from '../../util/timers';
import type { DistributedLock } from './ports';

/** A claim lives so much longer than the probe may, for the way to Redis, in milliseconds. */
const TTL_MARGIN_MS = 1_000;
/** The longest claim: a process that dies over a probe keeps the others from theirs for no longer. */
const MAX_TTL_MS = 30_000;
/** While another has the turn, this one asks again after so long, then ever later, in milliseconds. */
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 1_000;
const RETRY_FACTOR = 1.5;
const JITTER = 0.5;
/** Others that have the turn for so long without any news are no reason to wait: then this one probes all the same. */
const MAX_WAIT_MS = 300_000;

type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'acquiring' }
  /** The claim is ours. */
  | { readonly kind: 'held' }
  /** Another has it; until the timer ends, it isn't asked for. */
  | { readonly kind: 'held-by-peer'; readonly timer: Timer }
  /** It was another's when we asked, and may be free now. */
  | { readonly kind: 'due' };

/**
 * One endpoint's turn to be probed, of which the cluster has one at a time. It is taken when a probe is about to be
 * sent, not when one could be: a process without calls would keep it from those that have some.
 */
export class ProbeLock {
  readonly #name: string;
  readonly #lock: DistributedLock;
  readonly #onDue: () => void;
  readonly #random: () => number;
  #state: State = { kind: 'idle' };
  /** A question to which no answer has come. */
  #isRequestPending = false;
  #retryMs = FIRST_RETRY_MS;
  #heldByPeerSince: number | undefined;

  /** @param onDue Another had the turn, and it is worth asking again. */
  constructor(
    endpoint: string,
    lock: DistributedLock,
    onDue: () => void,
    random: () => number = Math.random,
  ) {
    this.#name = `probe ${endpoint}`;
    this.#lock = lock;
    this.#onDue = onDue;
    this.#random = random;
  }

  /** Whether another process is taken to be probing. */
  get isHeldByPeer(): boolean {
    return this.#state.kind === 'held-by-peer';
  }

  get isAcquiring(): boolean {
    return this.#state.kind === 'acquiring';
  }

  /**
   * Asks for the turn, for a probe that lasts at most `probeMs`. True when it may be sent: the turn is ours, or nobody
   * can say whose it is. Never rejects.
   */
  async acquire(probeMs: number): Promise<boolean> {
    // An earlier question may still be granted, and that claim given back: two at once would give back the wrong one.
    if (this.#isRequestPending) {
      this.#waitForPeer();
      return false;
    }
    const acquiring: State = { kind: 'acquiring' };
    this.#setState(acquiring);
    const ttlMs = Math.min(MAX_TTL_MS, probeMs + TTL_MARGIN_MS);
    this.#isRequestPending = true;
    const answer = await this.#lock.acquire(this.#name, ttlMs).catch(() => 'unknown' as const);
    this.#isRequestPending = false;
    if (this.#state !== acquiring) {
      // The breaker has moved on meanwhile.
      if (answer !== 'taken') this.#lock.release(this.#name);
      return false;
    }
    if (answer !== 'taken') {
      // Where nobody can say whose it is, it may have become ours all the same: it is given back too.
      this.#setState({ kind: 'held' });
      return true;
    }
    const now = performance.now();
    this.#heldByPeerSince ??= now;
    if (now - this.#heldByPeerSince >= MAX_WAIT_MS) {
      this.#setState({ kind: 'idle' });
      return true;
    }
    this.#waitForPeer();
    return false;
  }

  /** The probe is over, or none is due any longer. */
  release(): void {
    const { kind } = this.#state;
    this.#setState({ kind: 'idle' });
    this.#retryMs = FIRST_RETRY_MS;
    this.#heldByPeerSince = undefined;
    if (kind === 'held') this.#lock.release(this.#name);
  }

  #waitForPeer(): void {
    const ms = this.#retryMs * (1 - JITTER * this.#random());
    this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * RETRY_FACTOR);
    const timer = startTimer(() => {
      this.#setState({ kind: 'due' });
      this.#onDue();
    }, ms).unref();
    this.#setState({ kind: 'held-by-peer', timer });
  }

  #setState(state: State): void {
    if (this.#state.kind === 'held-by-peer') clearTimeout(this.#state.timer);
    this.#state = state;
  }
}
