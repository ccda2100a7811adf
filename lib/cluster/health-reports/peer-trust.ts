const FIRST_MS = 30_000;
const LONGEST_MS = 300_000;
/** A sender whose distrust ended so long ago begins anew. */
const FORGIVEN_MS = 600_000;
/** More senders than any cluster has processes; the one distrusted longest ago goes first. */
const MAX_SENDERS = 200;

interface Distrusted {
  readonly until: number;
  readonly ms: number;
}

/** The senders whose news has proved wrong: for 30 s, and twice as long each time again, up to five minutes. */
export class Distrust {
  readonly #senders = new Map<string, Distrusted>();

  has(sender: string): boolean {
    const known = this.#senders.get(sender);
    return known !== undefined && performance.now() < known.until;
  }

  add(sender: string): void {
    const now = performance.now();
    const known = this.#senders.get(sender);
    // What it said before it was found wrong is found wrong once.
    if (known && now < known.until) return;
    const ms = known && now - known.until < FORGIVEN_MS ? Math.min(LONGEST_MS, known.ms * 2) : FIRST_MS;
    this.#senders.delete(sender);
    this.#senders.set(sender, { until: now + ms, ms });
    if (this.#senders.size <= MAX_SENDERS) return;
    for (const oldest of this.#senders.keys()) {
      this.#senders.delete(oldest);
      return;
    }
  }
}
