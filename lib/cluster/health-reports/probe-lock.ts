import { startTimer, type Timer } from '../../util/timers';
import type { HealthReportsLink } from './health-link';

/**
 * How much longer than the probe's own time limit the lock lasts, in milliseconds, to allow for the round trips to
 * Redis.
 */
const TTL_MARGIN_MS = 1_000;
/**
 * Longest lifetime of the lock, in milliseconds: a process that dies during a probe keeps the others from probing for
 * at most this long.
 */
const MAX_TTL_MS = 30_000;
/** Pauses after which this process asks again for a lock that a peer holds, in milliseconds. */
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 1_000;
const RETRY_FACTOR = 1.5;
const JITTER = 0.5;
/**
 * If peers hold the lock for this long, in milliseconds, without reporting anything, this process probes without it.
 */
const MAX_WAIT_MS = 300_000;

type Lock = Pick<HealthReportsLink, 'acquire' | 'release'>;

type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'acquiring' }
  | { readonly kind: 'held' }
  /** This process does not ask for the lock again until the timer fires. */
  | { readonly kind: 'held-by-peer'; readonly timer: Timer };

/**
 * The right to probe an endpoint, which one process of the cluster has at a time. A process acquires it only when it is
 * about to send a probe: otherwise a process without calls would keep it from processes that have some.
 */
export class ProbeLock {
  readonly #name: string;
  readonly #lock: Lock;
  readonly #onDue: () => void;
  readonly #random: () => number;
  #state: State = { kind: 'idle' };
  #isRequestPending = false;
  #retryMs = FIRST_RETRY_MS;
  #heldByPeerSince: number | undefined;

  /** @param onDue Called when a lock that a peer held may be free. */
  constructor(endpoint: string, lock: Lock, onDue: () => void, random: () => number = Math.random) {
    this.#name = `probe ${endpoint}`;
    this.#lock = lock;
    this.#onDue = onDue;
    this.#random = random;
  }

  /** Whether another process is assumed to be probing the endpoint. */
  get isHeldByPeer(): boolean {
    return this.#state.kind === 'held-by-peer';
  }

  /**
   * Resolves to true if a probe that takes at most `probeMs` may be sent: this process holds the lock, or Redis can't
   * tell who does. Never rejects.
   */
  async acquire(probeMs: number): Promise<boolean> {
    // An earlier request may still be granted and is then released. A second request in the meantime would make that
    // release the wrong lock.
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
      // The breaker has changed its state in the meantime, so the lock is not needed any more.
      if (answer !== 'taken') this.#lock.release(this.#name);
      return false;
    }
    if (answer !== 'taken') {
      // An unknown answer may have been a grant, so the lock is treated as held, and is released later.
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

  /** Releases the lock, because the probe has ended or is no longer due. */
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
      this.#setState({ kind: 'idle' });
      this.#onDue();
    }, ms).unref();
    this.#setState({ kind: 'held-by-peer', timer });
  }

  #setState(state: State): void {
    if (this.#state.kind === 'held-by-peer') clearTimeout(this.#state.timer);
    this.#state = state;
  }
}
