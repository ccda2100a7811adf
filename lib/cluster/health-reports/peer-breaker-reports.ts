import { Distrust } from './peer-trust';

/**
 * So many openings in a row are taken on the word of others. Then this process sees for itself: else one that is cut
 * off from the provider, and probes first each time, would keep a sound endpoint from all.
 */
const MAX_IN_A_ROW = 2;
/** A failure of our own that is at most so old bears out an opening that another tells of, in milliseconds. */
const BEARS_OUT_MS = 10_000;
/** A recovery on another's word that fails here within this time was none for us, in milliseconds. */
const REFUTED_WITHIN_MS = 10_000;

/** An opening that was taken on another's word. */
interface ToldOpening {
  readonly from: string;
  readonly at: number;
}

/**
 * What one process believes of what others tell about one endpoint's breaker. A process with a sick network says a
 * sound endpoint is down; one with a sound network says an endpoint is up that others can't reach. Both are believed
 * until our own calls prove them wrong, and then not for a while.
 */
export class PeerBreakerReports {
  readonly #openers = new Distrust();
  readonly #closers = new Distrust();
  #opening: ToldOpening | undefined;
  #closing: ToldOpening | undefined;
  #inARow = 0;
  #failedAt = -Infinity;

  believesOpening(from: string): boolean {
    return this.#inARow < MAX_IN_A_ROW && !this.#openers.has(from);
  }

  believesRecovery(from: string): boolean {
    return !this.#closers.has(from);
  }

  /** An opening was taken over. */
  acceptOpening(from: string): void {
    this.#opening = { from, at: performance.now() };
    this.#closing = undefined;
    this.#inARow++;
  }

  /** A recovery was taken over. */
  acceptRecovery(from: string): void {
    this.#refuteOpening(from);
    this.#settled();
    this.#closing = { from, at: performance.now() };
  }

  /** An attempt of our own failed. */
  recordFailure(): void {
    this.#failedAt = performance.now();
  }

  /** An attempt of our own that began at `startedAt` was served: a failure before that bears nothing out. */
  recordSuccess(startedAt: number): void {
    if (startedAt > this.#failedAt) this.#failedAt = -Infinity;
  }

  /** Our own evidence opened the breaker. */
  reportOpened(): void {
    const told = this.#closing;
    if (told && performance.now() - told.at <= REFUTED_WITHIN_MS) this.#closers.add(told.from);
    this.#settled();
  }

  /** Our own probe closed the breaker. */
  recovered(): void {
    this.#refuteOpening(undefined);
    this.#settled();
  }

  /** The breaker was closed by hand: what was heard until then is of no account. */
  forget(): void {
    this.#settled();
  }

  /** What told us so was wrong, unless failures of our own bear it out: then the endpoint was down, and has recovered. */
  #refuteOpening(by: string | undefined): void {
    const told = this.#opening;
    if (!told || told.from === by) return;
    if (this.#failedAt < told.at - BEARS_OUT_MS) this.#openers.add(told.from);
  }

  #settled(): void {
    this.#opening = undefined;
    this.#closing = undefined;
    this.#inARow = 0;
  }
}
