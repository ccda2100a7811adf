import { startTimer, type Timer } from '../util/timers';
import type { ClusterMode, OutageMode } from './options';
import { FLUSH_MS, type LeaseTerms } from './quota-lease/lease-terms';

/** After an outage a process reports its usage this many times, a flush apart, before it asks for more. */
const REJOIN_STEPS = 4;

type State =
  | { readonly kind: 'starting' }
  | { readonly kind: 'shared' }
  /** Redis is unreachable. */
  | { readonly kind: 'local'; readonly mode: OutageMode }
  /**
   * Redis is reachable again. The process keeps to its share until all peers have reported their usage: the first one to
   * return would get the shares of the others.
   */
  | { readonly kind: 'rejoining'; readonly timer: Timer }
  | { readonly kind: 'closed' };

/** A limit that many processes share in Redis. While Redis is unreachable each process goes on with its share. */
export abstract class SharedLimit {
  #state: State = { kind: 'starting' };
  #members = 1;
  #resolveReady: () => void = () => undefined;
  /** Resolves when Redis has answered, or is known to be unreachable. */
  readonly ready = new Promise<void>((resolve) => {
    this.#resolveReady = resolve;
  });

  /** The processes that have this limit, this one included. */
  get members(): number {
    return this.#members;
  }

  configure(_terms: LeaseTerms, members: number): void {
    this.#members = Math.max(1, members);
    if (this.#state.kind === 'local') this.divideAgain();
  }

  setMode(mode: ClusterMode): void {
    const { kind } = this.#state;
    if (mode === 'starting' || kind === 'closed') return;
    if (mode !== 'shared') {
      const wasLocal = this.isLocal;
      this.#stopRejoining();
      this.#state = { kind: 'local', mode };
      this.setReady();
      if (wasLocal) this.divideAgain();
      else this.startOutage();
    } else if (kind === 'local') {
      this.#rejoin(REJOIN_STEPS);
    } else if (kind === 'starting') {
      this.#state = { kind: 'shared' };
      this.startSharing();
    }
  }

  close(): void {
    this.#stopRejoining();
    this.#state = { kind: 'closed' };
    this.setReady();
  }

  /** Whether the process uses its share. */
  protected get isLocal(): boolean {
    return this.#state.kind !== 'starting' && this.#state.kind !== 'shared';
  }

  /** Whether Redis may be asked. */
  protected get isReachable(): boolean {
    return this.#state.kind !== 'starting' && this.#state.kind !== 'local';
  }

  protected get isClosed(): boolean {
    return this.#state.kind === 'closed';
  }

  /** Whether calls have to wait for Redis. */
  protected get isBlocked(): boolean {
    return this.#state.kind === 'local' && this.#state.mode === 'closed';
  }

  /** The part of the limit that this process may use. */
  protected get share(): number {
    if (!this.isLocal) return 1;
    return this.#state.kind === 'local' && this.#state.mode !== 'local-share' ? 1 : 1 / this.#members;
  }

  protected setReady(): void {
    this.#resolveReady();
  }

  /** Redis has answered for the first time. */
  protected abstract startSharing(): void;
  /** Goes on with this process's share, for the calls that wait for Redis too. */
  protected abstract startOutage(): void;
  /** The share may have changed. */
  protected divideAgain(): void {
    // Nothing to do where what is left is worked out from the present share.
  }

  /** Tells Redis what has been used in the outage. Called several times. */
  protected abstract reportUsage(): void;
  protected abstract endOutage(): void;

  #rejoin(steps: number): void {
    if (steps === 0) {
      this.#state = { kind: 'shared' };
      this.endOutage();
      return;
    }
    const timer = startTimer(() => this.#rejoin(steps - 1), FLUSH_MS).unref();
    this.#state = { kind: 'rejoining', timer };
    this.reportUsage();
  }

  #stopRejoining(): void {
    if (this.#state.kind === 'rejoining') clearTimeout(this.#state.timer);
  }
}
