import { startTimer, type Timer } from '../../util/timers';
import type { Claims } from './ports';

/** A claim lives so much longer than the probe may, for the way to Redis, in milliseconds. */
const MARGIN_MS = 1_000;
/** The longest claim: a process that dies over a probe keeps the others from theirs for no longer. */
const MAX_HOLD_MS = 30_000;
/** While another has the turn, this one asks again after so long, then ever later, in milliseconds. */
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 1_000;
const RETRY_FACTOR = 1.5;
const JITTER = 0.5;
/** Others that have the turn for so long without any news are no reason to wait: then this one probes all the same. */
const PATIENCE_MS = 300_000;

type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'asking' }
  /** The claim is ours. */
  | { readonly kind: 'ours' }
  /** Another has it; until the timer ends, it isn't asked for. */
  | { readonly kind: 'theirs'; readonly timer: Timer }
  /** It was another's when we asked, and may be free now. */
  | { readonly kind: 'due' };

/**
 * One endpoint's turn to be probed, of which the cluster has one at a time. It is taken when a probe is about to be
 * sent, not when one could be: a process without calls would keep it from those that have some.
 */
export class ProbeTurn {
  readonly #name: string;
  readonly #claims: Claims;
  readonly #onDue: () => void;
  readonly #random: () => number;
  #state: State = { kind: 'idle' };
  /** A question to which no answer has come. */
  #isOut = false;
  #retryMs = FIRST_RETRY_MS;
  #theirsSince: number | undefined;

  /** @param onDue Another had the turn, and it is worth asking again. */
  constructor(endpoint: string, claims: Claims, onDue: () => void, random: () => number = Math.random) {
    this.#name = `probe ${endpoint}`;
    this.#claims = claims;
    this.#onDue = onDue;
    this.#random = random;
  }

  /** Whether another process is taken to be probing. */
  get isTheirs(): boolean {
    return this.#state.kind === 'theirs';
  }

  get isAsking(): boolean {
    return this.#state.kind === 'asking';
  }

  /**
   * Asks for the turn, for a probe that lasts at most `probeMs`. True when it may be sent: the turn is ours, or nobody
   * can say whose it is. Never rejects.
   */
  async take(probeMs: number): Promise<boolean> {
    // An earlier question may still be granted, and that claim given back: two at once would give back the wrong one.
    if (this.#isOut) {
      this.#waitForThem();
      return false;
    }
    const asking: State = { kind: 'asking' };
    this.#become(asking);
    const holdMs = Math.min(MAX_HOLD_MS, probeMs + MARGIN_MS);
    this.#isOut = true;
    const answer = await this.#claims.claim(this.#name, holdMs).catch(() => 'unknown' as const);
    this.#isOut = false;
    if (this.#state !== asking) {
      // The breaker has moved on meanwhile.
      if (answer !== 'taken') this.#claims.release(this.#name);
      return false;
    }
    if (answer !== 'taken') {
      // Where nobody can say whose it is, it may have become ours all the same: it is given back too.
      this.#become({ kind: 'ours' });
      return true;
    }
    const now = performance.now();
    this.#theirsSince ??= now;
    if (now - this.#theirsSince >= PATIENCE_MS) {
      this.#become({ kind: 'idle' });
      return true;
    }
    this.#waitForThem();
    return false;
  }

  /** The probe is over, or none is due any longer. */
  end(): void {
    const { kind } = this.#state;
    this.#become({ kind: 'idle' });
    this.#retryMs = FIRST_RETRY_MS;
    this.#theirsSince = undefined;
    if (kind === 'ours') this.#claims.release(this.#name);
  }

  #waitForThem(): void {
    const ms = this.#retryMs * (1 - JITTER * this.#random());
    this.#retryMs = Math.min(LAST_RETRY_MS, this.#retryMs * RETRY_FACTOR);
    const timer = startTimer(() => {
      this.#become({ kind: 'due' });
      this.#onDue();
    }, ms).unref();
    this.#become({ kind: 'theirs', timer });
  }

  #become(state: State): void {
    if (this.#state.kind === 'theirs') clearTimeout(this.#state.timer);
    this.#state = state;
  }
}
