/** Time constant, in milliseconds: processes come and go within seconds. */
const MEMORY_MS = 2_000;
const MAX_SHARE = 0.9;

/** How fast the other processes of a cluster take from a bucket, as the ledger's answers show. */
export class PeerUsage {
  #rate = 0;
  #at = -Infinity;

  /** Units a millisecond. */
  get rate(): number {
    return this.#rate;
  }

  /** @param taken Units that are gone beyond what we reckoned with; below zero where there are more. */
  observe(taken: number, now: number, limitRate: number): void {
    const gapMs = Math.max(1, now - this.#at);
    this.#at = now;
    if (gapMs === Infinity) return;
    const gain = (1 - Math.exp(-gapMs / MEMORY_MS)) / gapMs;
    this.#rate = Math.min(MAX_SHARE * limitRate, Math.max(0, this.#rate + gain * taken));
  }

  reset(): void {
    this.#rate = 0;
    this.#at = -Infinity;
  }
}
