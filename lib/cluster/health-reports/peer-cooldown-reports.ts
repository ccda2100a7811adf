import { Distrust } from './peer-trust';

/**
 * The longest that another's word alone keeps calls away, in milliseconds; as long as a 429 without a Retry-After may
 * rest. Then a call of our own finds out: a process with a new key is not benched by those that still have the old one.
 */
export const MAX_PEER_COOLDOWN_MS = 60_000;
/**
 * So many rests, and so long in all, are taken on the word of others between two refusals of our own. Then a call of our
 * own finds out: it is refused too, or it shows that the others are wrong.
 */
const MAX_TAKEN = 5;
const MAX_TAKEN_MS = 60_000;
/** What was told so long ago is of no account any more, in milliseconds. */
const FORGOTTEN_MS = 60_000;
/** A rest that ends at most so much later tells nothing new, in milliseconds. */
const LEAST_NEWS_MS = 50;

interface ToldRest {
  readonly from: string;
  readonly at: number;
  /** When it ends by what was told, beyond what we took of it. */
  readonly until: number;
}

/** What one process believes of what others tell about the rests of one endpoint, or one quota. */
export class PeerCooldownReports {
  readonly #distrust = new Distrust();
  #told: ToldRest | undefined;
  #taken = 0;
  #takenMs = 0;

  /**
   * The end of the rest that is taken over, on the clock of performance.now(); undefined where none is.
   * @param cooldownUntil The end of the rest that is known already.
   */
  accept(from: string, cooldownMs: number, cooldownUntil: number): number | undefined {
    const now = performance.now();
    const until = now + Math.min(cooldownMs, MAX_PEER_COOLDOWN_MS);
    const longerMs = until - Math.max(now, cooldownUntil);
    if (this.#distrust.has(from) || longerMs <= LEAST_NEWS_MS) return undefined;
    if (this.#told && now - this.#told.until > FORGOTTEN_MS) this.forget();
    this.#told = { from, at: now, until: now + cooldownMs };
    if (this.#taken >= MAX_TAKEN || this.#takenMs >= MAX_TAKEN_MS) return undefined;
    // Several answers of one burst are one rest.
    if (cooldownUntil <= now) this.#taken++;
    this.#takenMs += longerMs;
    return until;
  }

  /** A call of our own that began at `startedAt` was served: while another said that it rests, that one was wrong. */
  served(startedAt: number): void {
    const told = this.#told;
    if (!told || startedAt <= told.at || startedAt >= told.until) return;
    this.#distrust.add(told.from);
    this.forget();
  }

  /** A call of our own was refused, or the rest was ended by hand: what was told until then is of no account. */
  forget(): void {
    this.#told = undefined;
    this.#taken = 0;
    this.#takenMs = 0;
  }
}
